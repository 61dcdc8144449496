// Package hop is the core of the middleware: what a service knows of one
// message that it handles.
package hop

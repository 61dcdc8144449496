// Package traceview turns a trace into what the console shows of it: rows in the
// order of the tree, each with its self time, its part of a critical path and the
// wait in a topic or an outbox before it. It computes nothing of a single trace
// itself; package trace does.
package traceview

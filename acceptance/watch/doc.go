// Package watch measures the time from a fault in the running storefront to the message
// that names its cause, while nobody asks. It begins with quiet minutes, in which nothing
// may be posted.
package watch

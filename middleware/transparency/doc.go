// Package transparency compares the same scripted exchange with and without the
// middleware. It has tests only.
//
// Each feature of a protocol is one script, each router, client or driver one column.
// A script records what the peer sees on the wire and what each call returns. The two
// transcripts must be the same but for the headers that the middleware adds. The result
// is docs/middleware/transparency.md.
package transparency

//go:generate go run subsets.go

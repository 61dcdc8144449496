// Command bench measures the middleware against the bare handler, today's
// tracing middleware alone and what a Go team wires by hand for the same
// signals, interleaved in one run.
//
//	go run . -rounds 10 -md ../../docs/middleware/bench.md
//
// The verb cost measures server processes at fixed rates instead:
//
//	go run . cost -md ../../docs/middleware/cost.md
//
// It is a module of its own, so that no peer enters the library's go.mod.
package main

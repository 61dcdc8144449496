// Package traceview computes what the console shows of a trace: per span its
// own time told apart from waiting, waits in topics and outboxes as segments of
// their own, and the critical path, which goes on behind queues. It is pure.
package traceview

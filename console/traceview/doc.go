// Package traceview converts a trace to the view that the console shows, and compares
// traces. A view has one row per span in the order of the tree. Each row has the self time
// of the span, its segments of a critical path, and its queue wait. The analysis of a trace
// is that of package trace.
package traceview

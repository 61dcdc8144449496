// Package waterfall draws a trace as text for a terminal. Each span is a bar that shows its
// self time and its waits for calls. Queue waits have rows of their own. Spans on the
// critical path, which continues through queues, are marked.
package waterfall

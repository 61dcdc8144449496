// Package waterfall draws one request for a terminal: every span as a bar of
// self time and wait time, queue waits as segments of their own, and the critical
// path, which follows Kafka edges, marked.
package waterfall

// Package waterfall draws one request for a terminal: every span as a bar in
// which its own work is told apart from its waiting, queue waits as segments of
// their own, and the critical path, which follows Kafka edges, marked.
package waterfall

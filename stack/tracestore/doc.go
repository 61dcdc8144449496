// Package tracestore stores traces in append-only segment files with an index
// in memory. The most recent traces can be searched by service, operation,
// attributes, duration and time, and survive a restart.
//
// The store is bounded by bytes on disk, bytes of index in memory, and age. When it
// exceeds one of these limits, it drops the oldest segment as a whole, so the cost of
// expiry does not depend on the contents. A trace that loses some of its spans is no
// longer returned. After a restart, its remaining spans may be returned.
//
// A segment is a sequence of length-prefixed, checksummed records. A resource
// record holds a resource and its scope. A span record holds the spans of one
// trace from one export and refers to a resource record. Both are OTLP protobuf.
//
// The index of a sealed segment is in a file beside it; only names, trace IDs and
// resources stay in memory. A segment without a valid index file is scanned. An
// incomplete record at its end, left by a killed process, is truncated.
package tracestore

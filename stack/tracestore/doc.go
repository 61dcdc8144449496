// Package tracestore stores traces in append-only segment files with an index
// in memory. The most recent traces can be searched by service, operation,
// attributes, duration and time, and survive a restart.
//
// The store is bounded by bytes on disk, bytes of index in memory, and age. The
// limit that is reached first drops the oldest segment as a whole, so expiry has
// the same cost whatever a segment holds. A trace that loses a part of its spans
// is no longer returned. After a restart, the rest of it may be.
//
// A segment is a sequence of length-prefixed, checksummed records. A resource
// record holds a resource and its scope. A span record holds the spans of one
// trace from one export and refers to a resource record. Both are OTLP protobuf.
//
// The index of a sealed segment is in a file beside it; only names, trace IDs
// and resources stay in memory. A segment without a valid index file is scanned,
// and the torn tail that a killed process leaves is cut off.
package tracestore

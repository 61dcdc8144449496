// Package tracestore keeps traces in append-only segment files with an index
// in memory, so that the most recent traces can be searched by service,
// operation, attributes, duration and time, and survive a restart.
//
// Three limits bound it: bytes on disk, bytes of index in memory, and age.
// Whichever is reached first drops the oldest segment as a whole, so expiry
// costs the same whatever a segment holds. The traces that lose part of their
// spans that way are no longer answered; only after a restart, what is left of
// them may be.
//
// A segment is a sequence of length-prefixed, checksummed records. A resource
// record holds a resource and its scope once; a span record holds the spans of
// one trace from one export and refers to it. Both are OTLP protobuf. The index of a
// sealed segment is in a file beside it, of which only names, trace IDs and
// resources are kept in memory; a segment without a valid index file is scanned, and a torn tail, as a killed process leaves it,
// is cut off.
package tracestore

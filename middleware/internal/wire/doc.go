// Package wire reads and writes the headers that carry a request from hop to
// hop: W3C Trace Context, W3C Baggage and the correlation ID.
package wire

package grpcmw

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/metadata"
)

// keyCorrelation is the metadata key of the correlation ID.
const keyCorrelation = "x-correlation-id"

var (
	_ propagation.TextMapCarrier = (*incoming)(nil)
	_ propagation.TextMapCarrier = outgoing(nil)
)

// incoming reads the metadata of a call key by key. metadata.FromIncomingContext
// copies the whole map, with an allocation per header.
type incoming struct{ ctx context.Context }

// Get returns the first value of a key, or all values of a list.
func (c *incoming) Get(key string) string {
	v := metadata.ValueFromIncomingContext(c.ctx, key)
	switch {
	case len(v) == 0:
		return ""
	case len(v) > 1 && (key == "baggage" || key == "tracestate" || key == "x-forwarded-for"):
		return strings.Join(v, ",")
	}
	return v[0]
}

// Set does nothing, since incoming metadata belong to the caller.
func (c *incoming) Set(string, string) {}

// Keys returns the names of all metadata.
func (c *incoming) Keys() []string {
	md, _ := metadata.FromIncomingContext(c.ctx)
	return outgoing(md).Keys()
}

// outgoing writes the metadata of a call under lower-case keys.
type outgoing metadata.MD

// Get returns the first value of a key.
func (c outgoing) Get(key string) string {
	if v := c[strings.ToLower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set replaces the values of a key.
func (c outgoing) Set(key, value string) { c[strings.ToLower(key)] = []string{value} }

// Keys returns the names of all metadata.
func (c outgoing) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}

package grpcmw

import (
	"context"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/metadata"
)

// keyCorrelation is the metadata key of the correlation ID.
const keyCorrelation = "x-correlation-id"

var (
	_ propagation.TextMapCarrier = (*incoming)(nil)
	_ propagation.TextMapCarrier = outgoing(nil)
)

// incoming reads the metadata of a call key by key, without the copies that package
// metadata makes. It searches a missing key in all metadata only when they have keys in
// upper case, which no transport hands over.
type incoming struct {
	ctx   context.Context
	md    metadata.MD
	read  bool // md is set
	upper bool // md has keys with upper-case letters
}

// Get returns the first value of a key, which is in lower case, or all values of a list.
func (c *incoming) Get(key string) string {
	if incomingKey == nil {
		return valueOf(key, metadata.ValueFromIncomingContext(c.ctx, key))
	}
	if !c.read {
		c.read = true
		c.md, _ = c.ctx.Value(incomingKey).(metadata.MD)
		for k := range c.md {
			c.upper = c.upper || hasUpper(k)
		}
	}
	v, ok := c.md[key]
	if !ok && c.upper {
		for k := range c.md {
			if strings.EqualFold(k, key) {
				v = c.md[k]
				break
			}
		}
	}
	return valueOf(key, v)
}

// valueOf returns the first of a key's values, or all values of a list.
func valueOf(key string, v []string) string {
	switch {
	case len(v) == 0:
		return ""
	case len(v) > 1 && (key == "baggage" || key == "tracestate" || key == "x-forwarded-for"):
		return strings.Join(v, ",")
	}
	return v[0]
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' || s[i] >= utf8.RuneSelf { // the Kelvin sign is a k, too
			return true
		}
	}
	return false
}

// incomingKey is the key under which package metadata keeps the metadata of a call, or
// nil.
var incomingKey = func() any {
	var spy keySpy
	metadata.FromIncomingContext(&spy)
	return spy.key
}()

// keySpy records the key that it is asked for.
type keySpy struct {
	context.Context
	key any
}

func (s *keySpy) Value(key any) any {
	s.key = key
	return nil
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

package wire

import (
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Header names of W3C Trace Context and Baggage.
const (
	HeaderTraceparent = "traceparent"
	HeaderTracestate  = "tracestate"
	HeaderBaggage     = "baggage"
)

// maxTracestate is the maximum length in bytes of an accepted tracestate. The
// specification asks vendors to propagate at least 512.
const maxTracestate = 4096

// flagRandom is the random-trace-id flag of W3C Trace Context, level 2. It is
// trace.FlagsRandom of OpenTelemetry v1.43 and later.
const flagRandom = trace.TraceFlags(0x02)

// ParseTraceparent parses version-traceid-parentid-flags (W3C Trace Context,
// section 3.2). It returns an invalid span context for a malformed header. It
// allocates only when there is a tracestate.
func ParseTraceparent(header, state string) trace.SpanContext {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return trace.SpanContext{}
	}
	var version, flags [1]byte
	var c trace.SpanContextConfig
	if !lowerHex(version[:], header[:2]) || version[0] == 0xff || version[0] == 0 && len(header) != 55 ||
		version[0] > 0 && len(header) > 55 && header[55] != '-' ||
		!lowerHex(c.TraceID[:], header[3:35]) || !lowerHex(c.SpanID[:], header[36:52]) || !lowerHex(flags[:], header[53:55]) ||
		version[0] == 0 && flags[0] > 3 {
		return trace.SpanContext{}
	}
	c.TraceFlags = trace.TraceFlags(flags[0]) & (trace.FlagsSampled | flagRandom)
	c.Remote = true
	if state != "" && len(state) <= maxTracestate {
		c.TraceState, _ = trace.ParseTraceState(state) // the specification drops an invalid one
	}
	sc := trace.NewSpanContext(c)
	if !sc.IsValid() { // an ID of zeros
		return trace.SpanContext{}
	}
	return sc
}

// lowerHex decodes lower-case hexadecimal digits. Upper-case digits are invalid
// in a traceparent.
func lowerHex(dst []byte, s string) bool {
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// Traceparent formats sc as a traceparent header.
func Traceparent(sc trace.SpanContext) string {
	var b [55]byte
	tid, sid, flags := sc.TraceID(), sc.SpanID(), [1]byte{byte(sc.TraceFlags() & (trace.FlagsSampled | flagRandom))}
	b[0], b[1], b[2], b[35], b[52] = '0', '0', '-', '-', '-'
	hex.Encode(b[3:35], tid[:])
	hex.Encode(b[36:52], sid[:])
	hex.Encode(b[53:], flags[:])
	return string(b[:])
}

// W3COnly reports whether a propagator's fields are those of Trace Context and
// Baggage, which this package handles without the propagator.
func W3COnly(fields []string) bool {
	parent := false
	for _, f := range fields {
		switch strings.ToLower(f) {
		case HeaderTraceparent:
			parent = true
		case HeaderTracestate, HeaderBaggage:
		default:
			return false
		}
	}
	return parent
}

// SampledTraceparent reports whether header has the sampled flag. It reports true
// for a header that is absent or too short to tell.
func SampledTraceparent(header string) bool {
	return len(header) < 55 || nibble(header[54])&1 == 1
}

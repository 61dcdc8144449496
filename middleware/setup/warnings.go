package setup

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// exportWarnings logs, through the service's own logger and at most once a minute, that
// spans are not exported: the endpoint, the error and a hint.
type exportWarnings struct {
	logger  atomic.Pointer[zerolog.Logger] // nil until it is made
	closing atomic.Bool                    // Shutdown returns the errors

	mu   sync.Mutex
	last time.Time
	lost int // spans since the last line

	final error // of the last flush, which the SDK reports elsewhere
}

// takeLast returns the error of the last flush.
func (c *exportWarnings) takeLast() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.final
	c.final = nil
	return err
}

const warnInterval = time.Minute

// failed records lost spans. It returns err unless it was logged.
func (c *exportWarnings) failed(spans int, err error) error {
	logger := c.logger.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if logger == nil || c.closing.Load() {
		c.final = fmt.Errorf("setup: %d spans are not exported: %w", spans, err)
		return err
	}
	c.lost += spans
	if !c.last.IsZero() && time.Since(c.last) < warnInterval {
		return nil
	}
	logger.Warn().Err(err).Str("endpoint", endpoint()).Int("spans_lost", c.lost).Str("hint", hint(err)).Msg("spans are not exported")
	c.last, c.lost = time.Now(), 0
	return nil
}

// endpoint returns the exporter's endpoint.
func endpoint() string {
	e := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "https://localhost (OTEL_EXPORTER_OTLP_ENDPOINT is not set)")
	if u, err := url.Parse(e); err == nil {
		return u.Redacted() // without a password
	}
	return e
}

// hint returns the usual remedy for an error.
func hint(err error) string {
	for _, h := range []struct{ sign, say string }{
		{"first record does not look like a TLS handshake", "the collector speaks plaintext: give an endpoint with http://, or set OTEL_EXPORTER_OTLP_INSECURE=true"},
		{"server gave HTTP response to HTTPS client", "the collector speaks plaintext: give an endpoint with http://, or set OTEL_EXPORTER_OTLP_INSECURE=true"},
		{"certificate", "the collector's certificate is not trusted: set OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{"error reading server preface", "the endpoint does not speak OTLP over gRPC, or it speaks TLS: check port and scheme"},
		{"connection refused", "nothing listens on the endpoint: check that the collector runs and the port is right"},
		{"no such host", "the name cannot be resolved"},
		{"404", "the path is not OTLP's: set OTEL_EXPORTER_OTLP_PROTOCOL to the protocol of the port"},
		{"Unauthenticated", "the collector requires credentials: set OTEL_EXPORTER_OTLP_HEADERS"},
		{"401", "the collector requires credentials: set OTEL_EXPORTER_OTLP_HEADERS"},
		{"eadline", "no response in time: the collector may be overloaded, or OTEL_EXPORTER_OTLP_TIMEOUT too short"},
	} {
		if strings.Contains(err.Error(), h.sign) {
			return h.say
		}
	}
	return "tenhop_spans_dropped_total counts the lost spans"
}

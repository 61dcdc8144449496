package setup

import (
	"cmp"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// complaints tells people, through the service's own logger, that spans do not
// arrive: where they should, why not and what to do, at most once a minute.
type complaints struct {
	logger  atomic.Pointer[zerolog.Logger] // nil until there is one
	closing atomic.Bool                    // whoever shuts down is given the errors

	mu   sync.Mutex
	last time.Time
	lost int // spans since the last line
}

const complainEvery = time.Minute

// failed notes spans that were lost, and returns the error for those that wait
// for one.
func (c *complaints) failed(spans int, err error) error {
	logger := c.logger.Load()
	if logger == nil || c.closing.Load() {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost += spans
	if !c.last.IsZero() && time.Since(c.last) < complainEvery {
		return nil
	}
	logger.Warn().Err(err).Str("endpoint", endpoint()).Int("spans_lost", c.lost).Str("hint", hint(err)).Msg("spans are not exported")
	c.last, c.lost = time.Now(), 0
	return nil
}

// endpoint is what the exporter was told, or its default.
func endpoint() string {
	e := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), "https://localhost (OTEL_EXPORTER_OTLP_ENDPOINT is not set)")
	if u, err := url.Parse(e); err == nil {
		return u.Redacted() // without a password
	}
	return e
}

// hint says what usually helps.
func hint(err error) string {
	for _, h := range []struct{ sign, say string }{
		{"first record does not look like a TLS handshake", "the collector speaks plaintext: give an endpoint with http://, or set OTEL_EXPORTER_OTLP_INSECURE=true"},
		{"server gave HTTP response to HTTPS client", "the collector speaks plaintext: give an endpoint with http://, or set OTEL_EXPORTER_OTLP_INSECURE=true"},
		{"certificate", "the collector's certificate is not trusted: set OTEL_EXPORTER_OTLP_CERTIFICATE"},
		{"error reading server preface", "something else than OTLP over gRPC answers there, or it speaks TLS: check port and scheme"},
		{"connection refused", "nothing listens there: is the collector up, and the port right?"},
		{"no such host", "the name cannot be resolved"},
		{"404", "the path is not OTLP's: set OTEL_EXPORTER_OTLP_PROTOCOL to what the port speaks"},
		{"Unauthenticated", "the collector wants credentials: set OTEL_EXPORTER_OTLP_HEADERS"},
		{"401", "the collector wants credentials: set OTEL_EXPORTER_OTLP_HEADERS"},
		{"eadline", "no answer in time: is the collector overloaded, or OTEL_EXPORTER_OTLP_TIMEOUT too short?"},
	} {
		if strings.Contains(err.Error(), h.sign) {
			return h.say
		}
	}
	return "see tenhop_spans_dropped_total for what is lost"
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// exportWarnings logs, through the service's own logger and at most once a minute, that
// data is not exported: the endpoint, the error and a hint.
type exportWarnings struct {
	logger  atomic.Pointer[zerolog.Logger] // nil until it is made
	closing atomic.Bool                    // Shutdown returns the errors

	ended  context.Context // of all exports, once Shutdown is cut off
	cutOff context.CancelFunc

	mu      sync.Mutex
	signals map[string]*signalState
}

// signalState is the state of a signal's exporter.
type signalState struct {
	last  time.Time // of a line
	lost  int       // items since the last line
	final error     // of the last export while Shutdown ran
}

const warnInterval = time.Minute

func newExportWarnings() *exportWarnings {
	c := &exportWarnings{signals: map[string]*signalState{}}
	c.ended, c.cutOff = context.WithCancel(context.Background())
	return c
}

// bounded returns the context of an export, which ends when Shutdown is cut off.
func (c *exportWarnings) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ended, cancel)
	return ctx, func() { stop(); cancel() }
}

// failed records n lost items of a signal: "spans", "log records" or "metrics". It returns
// err unless it was logged, or Shutdown returns it.
func (c *exportWarnings) failed(signal string, n int, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.signals[signal]
	if s == nil {
		s = &signalState{}
		c.signals[signal] = s
	}
	s.lost += n
	if c.closing.Load() {
		s.final = fmt.Errorf("setup: %d %s are not exported to %s: %w (%s)", s.lost, signal, endpointOf(signal), err, hint(err))
		return nil
	}
	logger := c.logger.Load()
	if logger == nil {
		return err
	}
	if !s.last.IsZero() && time.Since(s.last) < warnInterval {
		return nil
	}
	field := strings.ReplaceAll(signal, " ", "_") + "_lost"
	logger.Warn().Err(err).Str("endpoint", endpointOf(signal)).Int(field, s.lost).Str("hint", hint(err)).Msg(signal + " are not exported")
	s.last, s.lost = time.Now(), 0
	return nil
}

// rejected returns the number of items that the collector refused out of an export, from
// the exporters' error of a partial success, which has no exported type.
func rejected(err error) (items int, partial bool) {
	if err == nil || !strings.Contains(err.Error(), "OTLP partial success: ") {
		return 0, false
	}
	text := err.Error()
	_, scanErr := fmt.Sscanf(text[strings.LastIndexByte(text, '(')+1:], "%d", &items)
	return items, scanErr == nil
}

// The signals of the console exporters, in warnings.
const (
	consoleTraces  = "spans for the console"
	consoleMetrics = "metrics for the console"
)

// final returns the errors of the exports that Shutdown made.
func (c *exportWarnings) final() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, signal := range []string{"spans", "log records", "metrics", consoleTraces, consoleMetrics} {
		if s := c.signals[signal]; s != nil {
			errs = append(errs, s.final)
		}
	}
	return errors.Join(errs...)
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

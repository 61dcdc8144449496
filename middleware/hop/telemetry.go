package hop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/internal/environ"
)

// Telemetry is the telemetry of a service. All adapters of the service share it. It
// is immutable after New and safe for concurrent use.
type Telemetry struct {
	core    *adapter.Core
	service string
	scrapes *scrapes
}

// New returns a Telemetry. Without options it uses the global tracer provider, the
// default Prometheus registry and a JSON log on standard error. It returns an error
// for an invalid option and for a registry that refuses the metrics.
func New(opts ...Option) (*Telemetry, error) {
	c := config{gatherer: prometheus.DefaultGatherer}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("hop: nil option")
		}
		o(&c)
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("hop: %w", err)
	}
	if c.ServiceName == "" {
		c.ServiceName = environ.ServiceName("unknown_service:" + filepath.Base(os.Args[0]))
	}
	core, err := adapter.NewCore(c.Config)
	if err != nil {
		return nil, err
	}
	metrics := promhttp.HandlerFor(c.gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError})
	return &Telemetry{core: core, service: c.ServiceName, scrapes: newScrapes(metrics, readTimeout)}, nil
}

// Default returns the Telemetry that adapters use by default. It is created on
// first use, without options. When the default Prometheus registry refuses the
// metrics, Default logs the error and uses a separate registry, which only
// MetricsHandler serves.
func Default() *Telemetry { return defaultTelemetry() }

var defaultTelemetry = sync.OnceValue(func() *Telemetry {
	t, err := New()
	if err == nil {
		return t
	}
	t, second := New(WithRegistry(prometheus.NewRegistry()))
	if second != nil {
		panic(second) // unreachable: an empty registry takes the metrics
	}
	t.Logger().Warn("the default Prometheus registry refuses the metrics; only hop.Default().MetricsHandler() serves them", "error", err)
	return t
})

// Core returns the Core that adapters report to.
func (t *Telemetry) Core() *adapter.Core { return t.core }

// ServiceName returns the service's name.
func (t *Telemetry) ServiceName() string { return t.service }

// Registerer returns the registerer of the service's metrics. It adds the label
// service_name.
func (t *Telemetry) Registerer() prometheus.Registerer { return t.core.Registerer() }

// Logger returns the logger for lines outside requests.
func (t *Telemetry) Logger() *slog.Logger { return t.core.Logger() }

// Zerolog is like Logger but returns a zerolog.Logger. After WithLogger it writes
// JSON to standard error.
func (t *Telemetry) Zerolog() *zerolog.Logger { return t.core.Zerolog() }

// QueueWait records in hop_queue_wait_seconds the time that a message of the
// request in ctx waited outside a hop. For example, an outbox row waits between
// commit and publication. operation must have low cardinality, such as "publish
// orders.placed".
func (t *Telemetry) QueueWait(ctx context.Context, operation string, waited time.Duration) {
	t.core.QueueWait(ctx, operation, waited)
}

// MetricsHandler returns a handler that serves the metrics. Scrapers that ask for
// OpenMetrics or protobuf also get exemplars. It gathers the metrics for one response at a
// time. Requests that wait meanwhile share the next one. A scraper has 10 s to read, unless
// the server has a WriteTimeout.
func (t *Telemetry) MetricsHandler() http.Handler { return t.scrapes }

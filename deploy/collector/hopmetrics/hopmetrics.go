// Package hopmetrics provides a connector for the OpenTelemetry Collector that computes
// tenhop's metrics from spans: hop_self_duration_seconds and the other families that
// the middleware exports. They have the attribute source="spans".
//
//	connectors:
//	  hopmetrics:
//	    metrics_flush_interval: 5s  # of the metrics
//	    middleware: skip            # or count: spans of tenhop's middleware
//	    span_metrics: false         # the families of the spanmetrics connector
//	    service_graph: false        # the families of the servicegraph connector
//	    max_spans: 100000           # held until their trace is complete
//	    metrics_expiration: 10m     # of series without observations
//
// Self times need whole traces. The connector must receive all spans of a trace, before
// sampling; with several collectors, behind a load balancer by trace ID.
package hopmetrics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"

	"github.com/tenhop/tenhop/stack/spanmetrics"
)

// Config configures the connector.
type Config struct {
	FlushInterval time.Duration `mapstructure:"metrics_flush_interval"`
	Expiration    time.Duration `mapstructure:"metrics_expiration"`
	Middleware    string        `mapstructure:"middleware"`
	SpanMetrics   bool          `mapstructure:"span_metrics"`
	ServiceGraph  bool          `mapstructure:"service_graph"`
	MaxSpans      int           `mapstructure:"max_spans"`
}

// Values of Config.Middleware.
const (
	skip  = "skip"  // the services report their own metrics
	count = "count" // nothing scrapes them
)

// Validate implements xconfmap.Validator.
func (c *Config) Validate() error {
	switch {
	case c.Middleware != skip && c.Middleware != count:
		return fmt.Errorf("middleware: %q is not known, use %q or %q", c.Middleware, skip, count)
	case c.FlushInterval <= 0 || c.Expiration <= 0 || c.MaxSpans <= 0:
		return fmt.Errorf("metrics_flush_interval, metrics_expiration and max_spans must be positive")
	case c.Expiration < 2*c.FlushInterval:
		return fmt.Errorf("metrics_expiration: %s is shorter than two flushes: series would expire before they are passed on", c.Expiration)
	}
	return nil
}

func (c *Config) options() []spanmetrics.Option {
	opts := []spanmetrics.Option{spanmetrics.WithExpiration(c.Expiration), spanmetrics.WithMaxSpans(c.MaxSpans)}
	if c.Middleware == skip {
		opts = append(opts, spanmetrics.WithMiddleware(-1))
	}
	if !c.SpanMetrics {
		opts = append(opts, spanmetrics.WithoutSpanMetrics())
	}
	if !c.ServiceGraph {
		opts = append(opts, spanmetrics.WithoutServiceGraph())
	}
	return opts
}

// NewFactory returns the factory of the connector.
func NewFactory() connector.Factory {
	return connector.NewFactory(component.MustNewType("hopmetrics"),
		func() component.Config {
			return &Config{FlushInterval: 5 * time.Second, Expiration: spanmetrics.DefaultExpiration,
				Middleware: skip, MaxSpans: spanmetrics.DefaultMaxSpans}
		},
		connector.WithTracesToMetrics(func(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Traces, error) {
			return newConnector(set.Logger, cfg.(*Config), next)
		}, component.StabilityLevelAlpha))
}

// hops is the connector.
type hops struct {
	log       *zap.Logger
	every     time.Duration
	next      consumer.Metrics
	processor *spanmetrics.Processor
	registry  *prometheus.Registry
	stop      context.CancelFunc
	running   sync.WaitGroup
}

func newConnector(log *zap.Logger, c *Config, next consumer.Metrics) (*hops, error) {
	h := &hops{log: log, every: c.FlushInterval, next: next, processor: spanmetrics.New(c.options()...), registry: prometheus.NewRegistry()}
	return h, h.registry.Register(h.processor)
}

// Capabilities implements consumer.Traces.
func (*hops) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// ConsumeTraces implements consumer.Traces.
func (h *hops) ConsumeTraces(_ context.Context, td ptrace.Traces) error {
	h.processor.Add(spanmetrics.Read(td), time.Now())
	return nil
}

// completeInterval is the interval at which complete traces are looked for.
const completeInterval = 500 * time.Millisecond

// Start implements component.Component.
func (h *hops) Start(context.Context, component.Host) error {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	h.running.Go(func() {
		complete, flush := time.NewTicker(completeInterval), time.NewTicker(h.every)
		defer complete.Stop()
		defer flush.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-complete.C:
				h.processor.Flush(now)
			case <-flush.C:
				if err := h.export(ctx); err != nil {
					h.log.Error("metrics not passed on", zap.Error(err))
				}
			}
		}
	})
	return nil
}

// Shutdown implements component.Component. It passes on the metrics of all spans.
func (h *hops) Shutdown(ctx context.Context) error {
	if h.stop == nil {
		return nil
	}
	h.stop()
	h.running.Wait()
	h.processor.Close(time.Now())
	return h.export(ctx)
}

func (h *hops) export(ctx context.Context) error {
	families, err := h.registry.Gather()
	if err != nil {
		return err
	}
	return h.next.ConsumeMetrics(ctx, convert(families, time.Now()))
}

package stack

import (
	"context"
	"errors"
	"net/url"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/stack/jaegerquery"
	"github.com/tenhop/tenhop/stack/jaegerreceiver"
	"github.com/tenhop/tenhop/stack/logstore"
	"github.com/tenhop/tenhop/stack/lokiapi"
	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/otlpreceiver"
	"github.com/tenhop/tenhop/stack/promserver"
	"github.com/tenhop/tenhop/stack/spanmetrics"
	"github.com/tenhop/tenhop/stack/tracestore"
)

// selfJob is the job label of the stack's own metrics.
const selfJob = "tenhop-stack"

const expireEvery = 30 * time.Second

func (s *Stack) startTraces(context.Context) error {
	store, err := tracestore.Open(s.dir("traces"),
		tracestore.WithMemoryBytes(s.config.TraceMemoryBytes),
		tracestore.WithDiskBytes(s.config.TraceDiskBytes),
		tracestore.WithRetention(s.config.Retention),
		tracestore.WithLogger(s.log.With("part", Jaeger)))
	if err != nil {
		return err
	}
	s.traces = store
	s.traceExport = s.pipeline.Traces("tracestore", waitingRequests)
	s.registry.MustRegister(newTraceCollector(store))
	stop := make(chan struct{})
	s.serving.Go(func() {
		tick := time.NewTicker(expireEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				store.Expire()
			}
		}
	})
	s.onClose("traces", func(context.Context) error {
		close(stop)
		return store.Close()
	})
	return nil
}

// waitingRequests is the maximum number of export requests per signal that wait
// for the disk.
const waitingRequests = 64

// storeTraces sanitizes and stores the spans of both receivers.
func (s *Stack) storeTraces(_ context.Context, td ptrace.Traces) error {
	return s.traceExport.Export(td.SpanCount(), func() error {
		sanitize(td)
		if s.spanMetrics == nil {
			return s.traces.Append(td)
		}
		batch := spanmetrics.Read(td) // Append takes td
		err := s.traces.Append(td)
		var rejected *otelcol.RejectedError
		if err == nil || errors.As(err, &rejected) {
			s.spanMetrics.Add(batch, time.Now())
		}
		return err
	})
}

func (s *Stack) startJaeger(context.Context) error {
	l, err := s.endpoints.listen(endpoint.Jaeger)
	if err != nil {
		return err
	}
	var opts []jaegerquery.Option
	if s.config.ConsoleURL != nil {
		opts = append(opts, jaegerquery.WithUI(s.config.ConsoleURL))
	}
	s.serveHTTP(endpoint.Jaeger, l, jaegerquery.Handler(newMeasuredStore(s.traces, s.registry), opts...))

	thrift, err := s.endpoints.listen(endpoint.JaegerThrift)
	if err != nil {
		return err
	}
	udp, err := s.endpoints.listenPacket(endpoint.JaegerUDP)
	if err != nil {
		return err
	}
	r := jaegerreceiver.New(s.storeTraces, s.pipeline, jaegerreceiver.WithLogger(s.log.With("part", Jaeger)),
		jaegerreceiver.WithHosts(s.hosts(endpoint.JaegerThrift)...))
	s.serve(endpoint.JaegerThrift, func() error { return r.ServeHTTP(thrift) })
	s.serve(endpoint.JaegerUDP, func() error { return r.ServeUDP(udp) })
	s.onClose("jaeger receiver", func(ctx context.Context) error {
		return errors.Join(r.Close(ctx), udp.Close())
	})
	return nil
}

func (s *Stack) startOTLP(context.Context) error {
	viaGRPC, err := s.endpoints.listen(endpoint.OTLPGRPC)
	if err != nil {
		return err
	}
	viaHTTP, err := s.endpoints.listen(endpoint.OTLPHTTP)
	if err != nil {
		return err
	}
	consumer := otlpreceiver.Consumer{Traces: s.storeTraces}
	if s.logs != nil {
		consumer.Logs = s.storeLogs
	}
	if s.prometheus != nil {
		consumer.Metrics = s.storeMetrics
	}
	r := otlpreceiver.New(consumer, s.pipeline, otlpreceiver.WithHosts(s.hosts(endpoint.OTLPHTTP)...))
	s.serve(endpoint.OTLPGRPC, func() error { return r.ServeGRPC(viaGRPC) })
	s.serve(endpoint.OTLPHTTP, func() error { return r.ServeHTTP(viaHTTP) })
	s.onClose("otlp receiver", r.Close)
	return nil
}

func (s *Stack) startPrometheus(context.Context) error {
	l, err := s.endpoints.listen(endpoint.Prometheus)
	if err != nil {
		return err
	}
	address := l.Addr().String()
	opts := []promserver.Option{
		promserver.WithScrapeInterval(s.config.ScrapeInterval),
		promserver.WithEvaluationInterval(s.config.EvaluationInterval),
		promserver.WithRetention(s.config.Retention),
		promserver.WithDiskBytes(s.config.MetricDiskBytes),
		promserver.WithTargetsFile(s.config.TargetsFile),
		promserver.WithStaticTargets(promserver.StaticTarget{
			Address: address,
			Labels:  map[string]string{"job": selfJob},
		}),
		promserver.WithRegistry(s.registry),
		promserver.WithExternalURL(&url.URL{Scheme: "http", Host: address}),
		promserver.WithLogger(quiet(s.log.With("part", Prometheus))),
	}
	if s.config.Rules != nil {
		opts = append(opts, promserver.WithRules(s.config.Rules))
	}
	if s.config.WebhookURL != nil {
		opts = append(opts, promserver.WithWebhook(s.config.WebhookURL))
	}
	p, err := promserver.Open(s.dir("metrics"), opts...)
	if err != nil {
		return err
	}
	s.prometheus = p
	s.dataExport = s.pipeline.Data("prometheus", waitingRequests)
	s.onClose("prometheus", func(context.Context) error { return p.Close() })
	s.serveHTTP(endpoint.Prometheus, l, p.Handler())
	return nil
}

func (s *Stack) startLogs(context.Context) error {
	l, err := s.endpoints.listen(endpoint.Loki)
	if err != nil {
		return err
	}
	store, err := logstore.Open(s.config.LogsDir,
		logstore.WithMemoryBytes(s.config.LogMemoryBytes),
		logstore.WithDiskBytes(s.config.LogDiskBytes),
		logstore.WithRetention(s.config.Retention),
		logstore.WithLogger(s.log.With("part", Loki)))
	if err != nil {
		return err
	}
	s.logs = store
	s.registry.MustRegister(newLogCollector(store))
	s.logExport = s.pipeline.Logs("logstore", waitingRequests)
	s.onClose("logs", func(context.Context) error { return store.Close() })
	s.serveHTTP(endpoint.Loki, l, lokiapi.Handler(store))
	return nil
}

// storeLogs stores the log records of the OTLP receiver.
func (s *Stack) storeLogs(_ context.Context, ld plog.Logs) error {
	return s.logExport.Export(ld.LogRecordCount(), func() error { return s.logs.Append(ld) })
}

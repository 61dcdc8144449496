// Package stack runs the telemetry and messaging stack of a distributed system
// in one process, without Docker: OTLP and Jaeger receivers, a bounded trace
// store behind Jaeger's query API, Prometheus, the part of Loki's query API that
// dashboards use, a Kafka broker and a Redis-protocol server.
//
//	s, err := stack.Start(ctx, stack.Config{DataDir: ".tenhop/data", Parts: []stack.Part{stack.OTLP, stack.Jaeger}})
//	if err != nil {
//		return err
//	}
//	defer s.Close(ctx)
//	fmt.Println(s.Endpoints()[endpoint.Jaeger]) // http://127.0.0.1:16686
//
// Each part implements the protocol of the program that it replaces, so services,
// dashboards and tools work with either. Package endpoint defines the names and the
// default ports.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/stack/broker"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/stack/logstore"
	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/stack/promserver"
	"github.com/tenhop/tenhop/stack/redis"
	"github.com/tenhop/tenhop/stack/spanmetrics"
	"github.com/tenhop/tenhop/stack/tracestore"
)

// Stack is a running stack. Create it with Start and end it with Close.
type Stack struct {
	config    Config
	log       *slog.Logger
	endpoints *endpoints
	registry  *prometheus.Registry
	pipeline  *otelcol.Metrics

	traces      *tracestore.Store
	traceExport *otelcol.Exporter
	logs        *logstore.Store
	logExport   *otelcol.Exporter
	prometheus  *promserver.Server
	dataExport  *otelcol.Exporter
	spanMetrics *spanmetrics.Processor

	closers []closer // in the order of starting
	serving sync.WaitGroup
	once    sync.Once
	closed  error
}

type closer struct {
	name string
	stop func(context.Context) error
}

// Start starts the parts of c and returns when all of them serve. If one of
// them fails to start, Start stops the others and closes all sockets.
func Start(ctx context.Context, c Config) (*Stack, error) {
	sockets := newEndpoints(c)
	s, err := start(ctx, c, sockets)
	if err != nil {
		sockets.close()
		return nil, fmt.Errorf("start stack: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, c Config, sockets *endpoints) (*Stack, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Stack{config: c, log: c.Logger, endpoints: sockets, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	for _, other := range c.Collectors {
		if err := s.registry.Register(other); err != nil {
			return nil, err
		}
	}
	s.pipeline = otelcol.New(s.registry)
	for _, step := range []struct {
		wanted bool
		start  func(context.Context) error
	}{
		{c.has(OTLP) || c.has(Jaeger), s.startTraces},
		{c.has(Loki), s.startLogs},
		{c.has(Prometheus), s.startPrometheus},
		{c.has(Prometheus) && (c.has(OTLP) || c.has(Jaeger)), s.startSpanMetrics},
		{c.has(Jaeger), s.startJaeger},
		{c.has(OTLP), s.startOTLP},
		{c.has(Kafka), s.startKafka},
		{c.has(Redis), s.startRedis},
	} {
		if !step.wanted {
			continue
		}
		if err := step.start(ctx); err != nil {
			return nil, errors.Join(err, s.Close(ctx))
		}
	}
	return s, nil
}

// Endpoints returns the announced address of each endpoint: a URL, or host:port
// for Kafka, Redis and UDP.
func (s *Stack) Endpoints() map[string]string {
	out := map[string]string{}
	for name, address := range s.endpoints.bound {
		e, _ := endpoint.Named(name)
		out[name] = e.Announced(endpoint.Reachable(address))
	}
	return out
}

// Moved returns the endpoints whose address was in use, with that address.
// Endpoints has the address that they got instead.
func (s *Stack) Moved() map[string]string { return maps.Clone(s.endpoints.moved) }

// Close stops the parts in reverse order and flushes them to disk. Requests in
// flight may finish until ctx ends. It is safe to call Close more than once.
func (s *Stack) Close(ctx context.Context) error {
	s.once.Do(func() {
		var errs []error
		for _, c := range slices.Backward(s.closers) {
			if err := c.stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", c.name, err))
			}
		}
		s.endpoints.close()
		s.serving.Wait()
		s.closed = errors.Join(errs...)
	})
	return s.closed
}

// onClose registers a function that Close calls.
func (s *Stack) onClose(name string, stop func(context.Context) error) {
	s.closers = append(s.closers, closer{name, stop})
}

// serve runs a server in a goroutine and logs its error, if it returns one.
func (s *Stack) serve(name string, run func() error) {
	s.serving.Go(func() {
		if err := run(); err != nil {
			s.log.Error("server ended", "part", name, "error", err)
		}
	})
}

// serveHTTP serves h on l until Close.
func (s *Stack) serveHTTP(name string, l net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler:           hostcheck.Handler(l.Addr(), s.hosts(name), h),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	s.serve(name, func() error {
		if err := srv.Serve(connlimit.Listener(l, connlimit.Default)); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	s.onClose(name, func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	})
}

// hosts returns the host names of an endpoint: that of its configured address.
func (s *Stack) hosts(name string) []string {
	host, _, err := net.SplitHostPort(s.config.Addresses[name])
	if err != nil || host == "" {
		return nil
	}
	return []string{host}
}

func (s *Stack) dir(name string) string { return filepath.Join(s.config.DataDir, name) }

func (s *Stack) startKafka(ctx context.Context) error {
	l, err := s.endpoints.listen(endpoint.Kafka)
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, l, s.dir("kafka"),
		broker.WithTopics(s.config.Topics...),
		broker.WithRetention(s.config.Retention, s.config.BrokerDiskBytes),
		broker.WithLogger(s.log.With("part", Kafka)))
	if err != nil {
		return err
	}
	s.onClose("kafka", func(context.Context) error { b.Close(); return nil })
	return nil
}

func (s *Stack) startRedis(context.Context) error {
	l, err := s.endpoints.listen(endpoint.Redis)
	if err != nil {
		return err
	}
	r, err := redis.Serve(l)
	if err != nil {
		return err
	}
	s.onClose("redis", func(context.Context) error { return r.Close() })
	return nil
}

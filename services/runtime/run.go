package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostcheck"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/flight"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/setup/profiles"
	"github.com/tenhop/tenhop/services/peers"
	"github.com/tenhop/tenhop/services/runtime/link"
	"github.com/tenhop/tenhop/services/runtime/resilience"
)

// Env is the environment of a service: its configuration, telemetry and resources.
type Env struct {
	Config
	Name      string
	Telemetry *hop.Telemetry
	Chaos     *chaos.Injector
	Metrics   http.Handler // served as /metrics

	peers    *peers.Peers // with InstrumentsComposed
	links    link.Links   // to what the service calls
	clients  *resilience.Clients
	follows  *follows
	embedded []string // dependencies within the process
	admin    *setup.Admin
	mu       sync.Mutex
	checks   []func() // remove the readiness checks
	closer   []func() error
	waiting  error // error of the last attempt to build the service
}

// AddCheck adds a readiness check. It does nothing for an Env that Run has not made.
func (e *Env) AddCheck(name string, ok func(context.Context) error) {
	if e.admin == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checks = append(e.checks, e.admin.AddCheck(name, ok))
}

// OnClose adds a function that Close calls, the last added first.
func (e *Env) OnClose(f func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closer = append(e.closer, f)
}

// Close calls the functions of OnClose, the last added first.
func (e *Env) Close() error {
	e.mu.Lock()
	closer := e.closer
	e.closer = nil
	e.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(closer) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// Service is a service ready to run: the API that it serves, over gRPC or HTTP, and
// its background jobs.
type Service struct {
	GRPC       func(grpc.ServiceRegistrar)
	HTTP       http.Handler // with its middleware
	Background []func(context.Context) error
}

// Definition declares a service.
type Definition struct {
	Name       string
	Operations []string               // targets of faults
	Fields     chaos.FieldsFunc       // request fields that faults may match
	Kinds      []chaos.Implementation // kinds of fault that the service offers, see package faults
	Legacy     bool                   // has its own telemetry
	Public     bool                   // serves customers, who have no certificate
	Events     bool                   // publishes or consumes events
	Build      func(context.Context, *Env) (Service, error)
}

// drainTimeout bounds the requests in flight after a stop.
const drainTimeout = 3 * time.Second

// Run runs a service until ctx ends. It waits for a store, broker or peer that is not
// available: the service reports that it is not ready, and logs the reason once per
// minute.
func Run(ctx context.Context, d Definition, cfg Config) error {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(50) // thirteen processes with small heaps
	}
	e := &Env{Config: cfg, Name: d.Name}
	e.Chaos = chaos.New(chaos.WithToken(cfg.ChaosToken), chaos.WithOperations(d.Operations...), chaos.WithFields(d.Fields), chaos.WithKinds(d.Kinds...))
	opts := []setup.Option{setup.WithLogWriter(cfg.LogWriter), setup.WithVersion(cfg.Version)}
	if cfg.Instance != "" {
		opts = append(opts, setup.WithInstance(cfg.Instance))
	}
	if d.Legacy {
		opts = append(opts, setup.WithoutTraces())
	}
	replaced, err := e.startInstruments(ctx)
	if err != nil {
		return err
	}
	rt, err := setup.Start(ctx, d.Name, append(opts, replaced...)...)
	if err != nil {
		return err
	}
	e.Telemetry, e.Metrics = rt.Telemetry, rt.Telemetry.MetricsHandler()
	if e.peers != nil {
		e.Metrics = e.peers.MetricsHandler()
	}
	e.admin = setup.NewAdmin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.Metrics.ServeHTTP(w, r) }),
		setup.AdminToken(cfg.ChaosToken), setup.AdminChaos(e.Chaos), setup.AdminHandler("/debug/pprof/", profiles.Handler()),
		setup.AdminHandler(flight.Path, flight.Handler(cfg.ChaosToken)))
	ready := make(chan struct{})
	e.AddCheck("start", func(context.Context) error {
		select {
		case <-ready:
			return nil
		default:
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.waiting != nil {
				return fmt.Errorf("still starting: %w", e.waiting)
			}
			return errors.New("still starting")
		}
	})
	serving, stop := e.untilLeft(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(serving)
	admin := httpServer(hostcheck.Handler(cfg.Admin.Addr(), nil, e.admin))
	g.Go(func() error { return serveHTTP(gctx, admin, cfg.Admin, connlimit.Default) })
	g.Go(func() error {
		s, err := e.build(gctx, d)
		if err != nil {
			return err
		}
		if e.links.Any() {
			e.Chaos.Offer(e.links.Kinds()...)
		}
		if e.links.Any() || len(e.embedded) > 0 {
			e.Chaos.Offer(link.Down(&e.links, e.embedded...))
		}
		close(ready)
		e.join(gctx)
		return e.serve(gctx, g, s, d.Public)
	})
	err = g.Wait()
	if cerr := e.Close(); cerr != nil {
		rt.Logger.Warn().Err(cerr).Msg("not everything was closed in order")
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	ferr := rt.Shutdown(flush)
	if e.peers != nil {
		ferr = errors.Join(ferr, e.peers.Shutdown(flush))
	}
	if ferr != nil {
		rt.Logger.Warn().Err(ferr).Msg("telemetry was not flushed")
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// build builds the service and retries with backoff. It closes what a failed
// attempt has opened.
func (e *Env) build(ctx context.Context, d Definition) (Service, error) {
	var said seldom
	always := len(e.checks)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		s, err := d.Build(ctx, e)
		if err == nil {
			return s, nil
		}
		err = errors.Join(err, e.Close())
		e.mu.Lock()
		for _, remove := range e.checks[always:] {
			remove()
		}
		e.checks = e.checks[:always:always]
		e.waiting = err
		e.mu.Unlock()
		if ctx.Err() != nil {
			return Service{}, ctx.Err()
		}
		if said.due() {
			e.Telemetry.Zerolog().Warn().Err(err).Msg("not ready, trying again")
		}
		select {
		case <-ctx.Done():
			return Service{}, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// seldom limits a message to one log line per minute. The first is logged at once.
type seldom struct{ last time.Time }

func (s *seldom) due() bool {
	if !s.last.IsZero() && time.Since(s.last) < time.Minute {
		return false
	}
	s.last = time.Now()
	return true
}

func (e *Env) serve(ctx context.Context, g *errgroup.Group, s Service, public bool) error {
	for _, b := range s.Background {
		g.Go(func() error { return b(ctx) })
	}
	switch {
	case s.GRPC != nil:
		return e.serveGRPC(ctx, s.GRPC)
	case s.HTTP != nil:
		l := e.Listener
		if e.TLS != nil && !public && l != nil {
			l = tls.NewListener(l, e.TLS.server())
		}
		return serveHTTP(ctx, httpServer(s.HTTP), l, maxConnections)
	}
	return nil
}

func (e *Env) serveGRPC(ctx context.Context, register func(grpc.ServiceRegistrar)) error {
	opts := append(e.serverOptions(), grpcLimits(requestTimeout)...)
	opts = append(opts, grpc.ChainUnaryInterceptor(resilience.UnaryServer()))
	if e.TLS != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(e.TLS.server())))
	}
	srv := grpc.NewServer(opts...)
	register(srv)
	stopped := context.AfterFunc(ctx, func() {
		hard := time.AfterFunc(drainTimeout, srv.Stop)
		defer hard.Stop()
		srv.GracefulStop()
	})
	defer stopped()
	if err := srv.Serve(e.grpcListener()); err != nil {
		return fmt.Errorf("%s: serve gRPC: %w", e.Name, err)
	}
	return ctx.Err()
}

// grpcListener returns the listener of gRPC. What calls bring is bounded without TLS only: with
// it, who calls has a certificate of the authority.
func (e *Env) grpcListener() net.Listener {
	if e.TLS != nil {
		return connlimit.Listener(e.Listener, maxConnections)
	}
	return connlimit.HTTP2(e.Listener, maxConnections, receivingBytes)
}

func serveHTTP(ctx context.Context, srv *http.Server, l net.Listener, connections int) error {
	if l == nil {
		return errors.New("no listener to serve on")
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(connlimit.Listener(l, connections))
	if !stop() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return err
}

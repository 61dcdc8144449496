package runtime

import (
	"context"
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

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/setup"
)

// Env is what a service is given to work with.
type Env struct {
	Config
	Name      string
	Telemetry *hop.Telemetry
	Chaos     *chaos.Injector
	Metrics   http.Handler // served as /metrics

	mu      sync.Mutex
	checks  []check
	closer  []func() error
	waiting error // why the service has not started yet
}

type check struct {
	name string
	ok   func(context.Context) error
}

// AddCheck adds a condition of readiness.
func (e *Env) AddCheck(name string, ok func(context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.checks = append(e.checks, check{name, ok})
}

// OnClose adds what has to happen at the end, in reverse order.
func (e *Env) OnClose(f func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closer = append(e.closer, f)
}

// Close undoes, in reverse order, what was opened.
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

// Service is a service that is built: what it serves and what it does besides.
type Service struct {
	GRPC       func(grpc.ServiceRegistrar)
	HTTP       http.Handler // complete, measured
	Background []func(context.Context) error
}

// Definition is a service as its package declares it.
type Definition struct {
	Name       string
	Operations []string         // what faults may name
	Fields     chaos.FieldsFunc // what faults may match on
	Legacy     bool             // brings telemetry of its own
	Build      func(context.Context, *Env) (Service, error)
}

// drainWithin bounds how long requests under way may take after a stop.
const drainWithin = 3 * time.Second

// Run runs a service until ctx ends. A store, broker or peer that is not there
// yet is waited for: the service reports not ready and says why once a minute.
func Run(ctx context.Context, d Definition, cfg Config) error {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(50) // thirteen small heaps side by side
	}
	e := &Env{Config: cfg, Name: d.Name}
	e.Chaos = chaos.New(chaos.WithToken(cfg.ChaosToken), chaos.WithOperations(d.Operations...), chaos.WithFields(d.Fields))
	opts := []setup.Option{setup.WithLogWriter(cfg.LogWriter), setup.WithVersion(cfg.Version)}
	if cfg.Instance != "" {
		opts = append(opts, setup.WithInstance(cfg.Instance))
	}
	if d.Legacy {
		opts = append(opts, setup.WithoutTraces())
	}
	rt, err := setup.Start(ctx, d.Name, opts...)
	if err != nil {
		return err
	}
	e.Telemetry, e.Metrics = rt.Telemetry, rt.Telemetry.MetricsHandler()
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
	g, gctx := errgroup.WithContext(ctx)
	admin := httpServer(e.adminHandler())
	g.Go(func() error { return serveHTTP(gctx, admin, cfg.Admin) })
	g.Go(func() error {
		s, err := e.build(gctx, d)
		if err != nil {
			return err
		}
		close(ready)
		return e.serve(gctx, g, s)
	})
	err = g.Wait()
	if cerr := e.Close(); cerr != nil {
		rt.Logger.Warn().Err(cerr).Msg("not everything was closed in order")
	}
	flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	if ferr := rt.Shutdown(flush); ferr != nil {
		rt.Logger.Warn().Err(ferr).Msg("telemetry was not flushed")
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// build retries with backoff until the service's needs are met. What a failed
// try has opened is closed again.
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

// seldom lets one log line a minute through: the first at once.
type seldom struct{ last time.Time }

func (s *seldom) due() bool {
	if !s.last.IsZero() && time.Since(s.last) < time.Minute {
		return false
	}
	s.last = time.Now()
	return true
}

func (e *Env) serve(ctx context.Context, g *errgroup.Group, s Service) error {
	for _, b := range s.Background {
		g.Go(func() error { return b(ctx) })
	}
	switch {
	case s.GRPC != nil:
		return e.serveGRPC(ctx, s.GRPC)
	case s.HTTP != nil:
		return serveHTTP(ctx, httpServer(s.HTTP), e.Listener)
	}
	return nil
}

func (e *Env) serveGRPC(ctx context.Context, register func(grpc.ServiceRegistrar)) error {
	opts := append(grpcmw.ServerOptions(grpcmw.WithTelemetry(e.Telemetry), grpcmw.WithChaos(e.Chaos)), grpcLimits(requestTimeout)...)
	srv := grpc.NewServer(opts...)
	register(srv)
	stopped := context.AfterFunc(ctx, func() {
		hard := time.AfterFunc(drainWithin, srv.Stop)
		defer hard.Stop()
		srv.GracefulStop()
	})
	defer stopped()
	if err := srv.Serve(e.Listener); err != nil {
		return fmt.Errorf("%s: serve gRPC: %w", e.Name, err)
	}
	return ctx.Err()
}

func serveHTTP(ctx context.Context, srv *http.Server, l net.Listener) error {
	if l == nil {
		return errors.New("no socket to serve on")
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
		defer cancel()
		if srv.Shutdown(drain) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) {
		return ctx.Err()
	}
	return err
}

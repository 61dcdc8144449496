package setup

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Admin is the handler of a service's admin endpoints:
//
//	GET /metrics            the metrics, as Telemetry.MetricsHandler serves them
//	GET /health, /healthz   200 while the process serves (liveness)
//	GET /ready, /readyz     200 if all checks pass, else 503 with their errors (readiness)
//	/chaos                  the faults of AdminChaos
//
// and those of AdminHandler. It is not measured: its requests are no hops. All methods are
// safe for concurrent use.
type Admin struct {
	mux   *http.ServeMux
	token string

	mu     sync.Mutex
	checks []*check
}

type check struct {
	name string
	ok   func(context.Context) error
}

// AdminOption configures an Admin.
type AdminOption func(*Admin)

// AdminToken sets the token of the endpoints that AdminHandler adds. Without one they
// answer 404.
func AdminToken(token string) AdminOption { return func(a *Admin) { a.token = token } }

// AdminCheck adds a readiness check, like Admin.AddCheck.
func AdminCheck(name string, ok func(context.Context) error) AdminOption {
	return func(a *Admin) { a.AddCheck(name, ok) }
}

// AdminChaos serves the faults of an injector under /chaos. The injector's own token
// protects them.
func AdminChaos(i *chaos.Injector) AdminOption {
	return func(a *Admin) {
		if i == nil {
			return
		}
		h := i.AdminHandler()
		a.mux.Handle("/chaos", h)
		a.mux.Handle("/chaos/", h)
	}
}

// AdminHandler serves h under a path for requests with "Authorization: Bearer <token>",
// such as profiles.Handler under /debug/pprof/.
func AdminHandler(path string, h http.Handler) AdminOption {
	return func(a *Admin) { a.mux.Handle(path, a.withToken(h)) }
}

// NewAdmin returns the handler of the admin endpoints, for a service with a server of its
// own for them. WithAdmin starts one.
func NewAdmin(metrics http.Handler, opts ...AdminOption) *Admin {
	a := &Admin{mux: http.NewServeMux()}
	a.mux.Handle("GET /metrics", metrics)
	for _, path := range []string{"GET /health", "GET /healthz"} {
		a.mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	}
	a.mux.HandleFunc("GET /ready", a.ready)
	a.mux.HandleFunc("GET /readyz", a.ready)
	for _, o := range opts {
		o(a)
	}
	return a
}

// ServeHTTP implements http.Handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// AddCheck adds a readiness check, and returns a function that removes it. A check should
// not ask other services, whose outage must not take this one out of rotation. It gets two
// seconds. A nil Admin, of a Runtime without WithAdmin, ignores it.
func (a *Admin) AddCheck(name string, ok func(context.Context) error) (remove func()) {
	if a == nil {
		return func() {}
	}
	c := &check{name, ok}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks[:len(a.checks):len(a.checks)], c)
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		var others []*check
		for _, o := range a.checks {
			if o != c {
				others = append(others, o)
			}
		}
		a.checks = others
	}
}

const checkTimeout = 2 * time.Second

// ready answers 200 if every check passes, else 503 with the failures.
func (a *Admin) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
	defer cancel()
	a.mu.Lock()
	checks := a.checks
	a.mu.Unlock()
	failed := map[string]string{}
	for _, c := range checks {
		if err := c.ok(ctx); err != nil {
			failed[c.name] = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if len(failed) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(failed) == 0, "failed": failed})
}

// withToken requires the token. If none is configured, it answers 404.
func (a *Admin) withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case a.token == "":
			http.NotFound(w, r)
		case subtle.ConstantTimeCompare([]byte(got), []byte(a.token)) != 1:
			http.Error(w, "send Authorization: Bearer with the token", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// DefaultAdminAddr is the address of WithAdmin("").
const DefaultAdminAddr = "127.0.0.1:9464"

// WithAdmin serves an Admin on a port of its own until Shutdown, for a service without an
// HTTP server, such as one of gRPC or a consumer. An address without a host is on the
// loopback interface; "0.0.0.0:9464" or "[::]:9464" is on all, as a scraper from outside
// needs. The port 0 is a free one, see Runtime.AdminAddr. "" is DefaultAdminAddr.
// OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT replace the host and the
// port of the program.
//
// Start returns an error for an address that it cannot listen on.
func WithAdmin(addr string, opts ...AdminOption) Option {
	return func(c *config) { c.adminAddr, c.admin = adminAddress(addr), opts }
}

func adminAddress(addr string) string {
	switch {
	case addr == "":
		return DefaultAdminAddr
	case strings.HasPrefix(addr, ":"):
		return "127.0.0.1" + addr
	}
	return addr
}

// listenAdmin listens on the address of the deployment, else on that of the program.
func listenAdmin(ctx context.Context, addr string) (net.Listener, error) {
	if host, port := getenv("OTEL_EXPORTER_PROMETHEUS_HOST"), getenv("OTEL_EXPORTER_PROMETHEUS_PORT"); host+port != "" {
		if err := count(0, 65535)(cmp.Or(port, "0")); err != nil {
			return nil, fmt.Errorf("setup: OTEL_EXPORTER_PROMETHEUS_PORT: %w; use a number from 0 to 65535", err)
		}
		ownHost, ownPort, _ := net.SplitHostPort(addr) // the deployment's may make up for it
		addr = net.JoinHostPort(cmp.Or(strings.Trim(host, "[]"), ownHost), cmp.Or(port, ownPort))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("setup: admin server on %s: %w; give WithAdmin a host:port that is free, such as 127.0.0.1:0", addr, err)
	}
	return l, nil
}

// startAdmin listens and serves.
func (rt *Runtime) startAdmin(ctx context.Context, c *config) error {
	if c.adminAddr == "" {
		return nil
	}
	for _, o := range c.admin {
		if o == nil {
			return errors.New("setup: WithAdmin: nil option")
		}
	}
	l, err := listenAdmin(ctx, c.adminAddr)
	if err != nil {
		return err
	}
	rt.Admin, rt.adminAddr = NewAdmin(rt.Telemetry.MetricsHandler(), c.admin...), l.Addr().String()
	srv := &http.Server{
		Handler: rt.Admin, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			rt.Logger.Error().Err(err).Msg("the admin server ended")
		}
	}()
	rt.shutdown = append(rt.shutdown, func(ctx context.Context) error {
		stop := context.AfterFunc(rt.warnings.ended, func() { _ = srv.Close() })
		defer stop()
		err := srv.Shutdown(ctx)
		<-served
		return err
	})
	return nil
}

// AdminAddr returns the host:port that WithAdmin listens on, or "" without it.
func (rt *Runtime) AdminAddr() string { return rt.adminAddr }

package app

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/tenhop/tenhop/console"
	"github.com/tenhop/tenhop/dashboards"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/watch"
)

// listenConsole opens the console's socket: an inherited one, the configured
// address, or the default address, which is replaced by a free one if it is in use.
func (s *Server) listenConsole(c Config) (net.Listener, error) {
	if l := c.Inherited.Listeners[endpoint.Console]; l != nil {
		s.endpoints[endpoint.Console] = "http://" + endpoint.Reachable(l.Addr().String())
		return l, nil
	}
	known, _ := endpoint.Named(endpoint.Console)
	configured := c.Stack.Addresses[endpoint.Console]
	address := cmp.Or(configured, known.DefaultAddress())
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		if configured != "" {
			return nil, &AddressInUseError{endpoint.Console, address}
		}
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
			s.moved[endpoint.Console] = address
		}
	}
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) error { _ = l.Close(); return nil }) // its server has closed it, if it has one
	s.endpoints[endpoint.Console] = known.Announced(endpoint.Reachable(l.Addr().String()))
	return l, nil
}

// incidents returns where the console reads incidents.
func incidents(cfg Config) (console.Incidents, error) {
	if cfg.Console.Watch != "" {
		return watch.NewRemote(cfg.Console.Watch, cfg.Console.WatchToken)
	}
	d, err := supervisor.In(cfg.WorkDir)
	if err != nil {
		return nil, err
	}
	return watch.NewArchive(d.Path("watch")), nil
}

// serveConsole serves the console on l.
func (s *Server) serveConsole(cfg Config, l net.Listener, log *slog.Logger, history *drill.History) error {
	shown := cfg.Console.Dashboards
	if shown == nil {
		shown = fs.FS(dashboards.FS)
	}
	if log == nil {
		log = slog.Default()
	}
	jaeger := cfg.Console.Jaeger
	if cfg.Console.Tempo == "" {
		jaeger = cmp.Or(jaeger, s.endpoints[endpoint.Jaeger])
	}
	incidents, err := incidents(cfg)
	if err != nil {
		return err
	}
	page, err := console.New(console.Config{
		Prometheus: cmp.Or(cfg.Console.Prometheus, s.endpoints[endpoint.Prometheus]),
		Jaeger:     jaeger,
		Tempo:      cfg.Console.Tempo,
		Loki:       cmp.Or(cfg.Console.Loki, s.endpoints[endpoint.Loki]),
		Clients:    cfg.Console.Clients,
		Labels:     cfg.Console.Labels,
		Dashboards: shown,
		Incidents:  incidents,
		Token:      cfg.Console.Token,
		Storefront: func() (console.Storefront, error) { return Storefront(cfg.WorkDir) },
		Drills:     history,
		Hosts:      cfg.Console.Hosts,
		Logger:     log,
	})
	if err != nil {
		return err
	}
	// Event streams have a time to write of their own.
	srv := &http.Server{Handler: page, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	go func() {
		if err := srv.Serve(connlimit.Listener(l, connlimit.Default)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("server ended", "part", PartConsole, "error", err)
		}
	}()
	s.onClose(func(context.Context) error {
		page.Close()
		return srv.Close()
	})
	return nil
}

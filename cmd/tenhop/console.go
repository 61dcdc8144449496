package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/tenhop/tenhop/console"
	"github.com/tenhop/tenhop/dashboards"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// partConsole is the part of `tenhop stack` that is not the stack's.
const partConsole = "console"

const consoleAddress = "127.0.0.1:8000"

// listenConsole opens the console's port, or any free one when that is taken
// and nobody asked for it.
func listenConsole(address string) (l net.Listener, moved bool, err error) {
	l, err = net.Listen("tcp", cmp.Or(address, consoleAddress))
	switch {
	case !errors.Is(err, syscall.EADDRINUSE):
		return l, false, err
	case address != "":
		return nil, false, portInUse(socketConsole, address)
	}
	l, err = net.Listen("tcp", "127.0.0.1:0")
	return l, true, err
}

// portInUse says of an address that was asked for that it cannot be had.
func portInUse(endpoint, address string) error {
	return fmt.Errorf("--listen %s=%s: another program listens there; end it, or name another port", endpoint, address)
}

// serveConsole serves the page beside the stack until stop is called.
func (f *stackFlags) serveConsole(l net.Listener, endpoints map[string]string, cfg stack.Config, drills *drill.History) (stop func(), err error) {
	shown := fs.FS(dashboards.FS)
	if f.dashboards != "" {
		shown = os.DirFS(f.dashboards)
	}
	c, err := console.New(console.Config{
		Prometheus: cmp.Or(f.prometheus, endpoints[endpoint.Prometheus]),
		Jaeger:     cmp.Or(f.jaeger, endpoints[endpoint.Jaeger]),
		Loki:       cmp.Or(f.loki, endpoints[endpoint.Loki]),
		Dashboards: shown,
		Token:      os.Getenv("TENHOP_CHAOS_TOKEN"),
		Storefront: func() (console.Storefront, error) { return storefront(f.dir) },
		Drills:     drills,
		Hosts:      f.hosts,
		Logger:     cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: c, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("server ended", "part", partConsole, "error", err)
		}
	}()
	return func() {
		c.Close()
		srv.Close()
	}, nil
}

// storefront is what the console's faults and drills act on.
func storefront(dir string) (console.Storefront, error) {
	state, err := readState(dir)
	if err != nil {
		return console.Storefront{}, err
	}
	reach, err := faults(state)
	if err != nil {
		return console.Storefront{}, err
	}
	s := console.Storefront{Faults: reach, Entry: drill.Entry{Service: "gateway", Operation: "POST /checkout"}, Up: time.Now()}
	if state.ReadyAt != nil {
		s.Up = *state.ReadyAt
	}
	return s, nil
}

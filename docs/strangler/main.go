// The strangler program is a small shop that leaves its monolith one module at a time.
//
// The shop is one process with one database: module orders calls module stock in the
// process. The same module stock also runs as a service with a database of its own. A
// gateway in front routes each item to one of the two, by a flag that can be moved while
// customers buy. Both publish what they change, and apply what the other one changed.
//
//	go run ./docs/strangler shop ADDRESS KAFKA DATABASE URL-OF-STOCK
//	go run ./docs/strangler stock ADDRESS KAFKA DATABASE
//	go run ./docs/strangler gateway ADDRESS ADMIN-ADDRESS URL-OF-SHOP URL-OF-STOCK
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "strangler:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: strangler shop ADDRESS KAFKA DATABASE URL-OF-STOCK | stock ADDRESS KAFKA DATABASE | gateway ADDRESS ADMIN-ADDRESS URL-OF-SHOP URL-OF-STOCK")

func run(ctx context.Context, args []string) error {
	want := map[string]int{"shop": 5, "stock": 4, "gateway": 5}
	if len(args) == 0 || len(args) != want[args[0]] {
		return errUsage
	}
	p := part{name: args[0], topic: "stock.changes", stocked: 1000}
	var err error
	if p.listener, err = net.Listen("tcp", args[1]); err != nil {
		return err
	}
	if p.name == "gateway" {
		p.shop, p.stock = args[3], args[4]
		if p.admin, err = net.Listen("tcp", args[2]); err != nil {
			return err
		}
	} else {
		p.kafka, p.database = args[2], args[3]
		if p.name == "shop" {
			p.stock = args[4]
		}
	}
	return p.run(ctx)
}

// part is one of the three processes.
type part struct {
	name            string
	listener, admin net.Listener // admin is the gateway's
	kafka, topic    string
	database        string // file
	shop, stock     string // URLs
	stocked         int    // pieces of each item at the beginning
	options         []setup.Option
}

// run runs the process until ctx ends.
func (p part) run(ctx context.Context) (err error) {
	rt, err := setup.Start(ctx, p.name, p.options...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Shutdown(context.WithoutCancel(ctx))) }()
	client := func(dependency string) *http.Client {
		return &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry), httpmw.WithDependency(dependency)), Timeout: 10 * time.Second}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", rt.Telemetry.MetricsHandler())
	g, ctx := errgroup.WithContext(ctx)
	if p.name == "gateway" {
		gw, err := newGateway(p.shop, p.stock, client("shop"), client("stock"))
		if err != nil {
			return err
		}
		gw.register(mux)
		serve(ctx, g, p.admin, gw.adminMux())
	} else {
		m, err := openStock(ctx, p, rt.Telemetry)
		if err != nil {
			return err
		}
		defer m.close()
		mux.HandleFunc("GET /items/{item}", m.serveLeft)
		mux.HandleFunc("GET /sync", m.serveSync)
		if p.name == "shop" {
			(&shop{stock: m, client: client("stock"), url: p.stock}).register(mux)
		} else {
			mux.HandleFunc("PUT /items/{item}/reservations/{order}", m.serveReserve)
		}
		g.Go(func() error { return m.relay(ctx) })
		g.Go(func() error { return m.consume(ctx) })
	}
	serve(ctx, g, p.listener, httpmw.Handler(mux, httpmw.WithTelemetry(rt.Telemetry), httpmw.WithExclude("/metrics", "/sync")))
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func serve(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return errors.Join(server.Shutdown(drain), ctx.Err())
	})
}

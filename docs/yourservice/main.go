// The yourservice program has two small services that demonstrate the middleware
// and `tenhop stack`. The service shop calls the service stock over HTTP.
//
//	go run ./docs/yourservice stock 127.0.0.1:9102
//	go run ./docs/yourservice shop 127.0.0.1:9101 http://127.0.0.1:9102
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "yourservice:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) < 2 || args[0] == "shop" && len(args) < 3 {
		return errors.New("usage: yourservice stock ADDRESS | yourservice shop ADDRESS URL-OF-STOCK")
	}
	rt, err := setup.Start(ctx, args[0]) // OTEL_* variables, logger, metrics
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Shutdown(context.WithoutCancel(ctx))) }()

	mux := http.NewServeMux()
	switch args[0] {
	case "stock":
		stock(mux)
	case "shop":
		client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rt.Telemetry), httpmw.WithDependency("stock"))}
		shop(mux, client, args[2])
	default:
		return fmt.Errorf("there is no service %q: stock or shop", args[0])
	}
	faults := chaos.New(chaos.WithToken(os.Getenv("CHAOS_TOKEN"))) // without a token there are none
	whole := http.NewServeMux()
	whole.Handle("/", httpmw.Handler(faults.Handler(mux), httpmw.WithTelemetry(rt.Telemetry)))
	whole.Handle("GET /metrics", rt.Telemetry.MetricsHandler()) // for Prometheus
	whole.Handle("/chaos", faults.AdminHandler())               // for drills
	whole.Handle("/chaos/", faults.AdminHandler())
	server := &http.Server{Addr: args[1], Handler: whole, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // a demonstration need not drain requests
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// stock registers handlers that return stock levels. PUT /slow adds latency to them.
func stock(mux *http.ServeMux) {
	var slow atomic.Int64
	mux.HandleFunc("GET /levels/{item}", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5*time.Millisecond + time.Duration(slow.Load()))
		fmt.Fprintf(w, "%s: 7\n", r.PathValue("item"))
	})
	mux.HandleFunc("PUT /slow/{by}", func(w http.ResponseWriter, r *http.Request) {
		by, err := time.ParseDuration(r.PathValue("by"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		slow.Store(int64(by))
	})
}

func shop(mux *http.ServeMux, client *http.Client, stock string) {
	mux.HandleFunc("GET /items/{item}", func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, stock+"/levels/"+r.PathValue("item"), nil)
		if err != nil {
			http.Error(w, "bad item", http.StatusBadRequest)
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			http.Error(w, "stock is away", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})
}

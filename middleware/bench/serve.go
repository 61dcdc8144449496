package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/setup"
)

// The variants and handlers of the cost table, in the order of its columns.
var (
	serverNames  = []string{"bare", "ours", "composed", "otelhttp alone"}
	handlerNames = []string{"wait", "burn"}
)

// handlerTime is how long a handler of the cost table takes.
const handlerTime = 200 * time.Microsecond

// handlerNamed returns a handler that waits, as for a database, or uses the processor.
func handlerNamed(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if name == "wait" {
			time.Sleep(handlerTime)
		} else {
			burn()
		}
		handle(w, r)
	}
}

// burn uses the processor for about handlerTime. It counts loops, not time, since a
// goroutine that is preempted uses no processor.
func burn() {
	x := uint64(1)
	for range burnLoops() {
		x = x*6364136223846793005 + 1442695040888963407
	}
	if x == 0 { // keeps the loop
		panic("bench: unreachable")
	}
}

// burnLoops returns how many loops take handlerTime, by the fastest of several tries.
var burnLoops = sync.OnceValue(func() int {
	const loops = 100_000
	best := time.Hour
	for range 50 {
		x, start := uint64(1), time.Now()
		for range loops {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if took := time.Since(start); x != 0 && took < best {
			best = took
		}
	}
	return int(float64(loops) * float64(handlerTime) / float64(best))
})

// serve is a server process of the cost table. It writes its address, and ends with its
// standard input.
func serve(variant, handler string) error {
	h := handlerNamed(handler)
	mux := http.NewServeMux()
	served := http.Handler(mux)
	const pattern = "GET /items/{id}"
	switch variant {
	case "bare":
		mux.Handle(pattern, h)
	case "ours": // as from its guide
		rt, err := setup.Start(context.Background(), "bench", setup.WithLogWriter(io.Discard))
		if err != nil {
			return err
		}
		mux.Handle(pattern, h)
		served = httpmw.Handler(mux, httpmw.WithTelemetry(rt.Telemetry))
	default:
		exp, err := otlptracehttp.New(context.Background())
		if err != nil {
			return err
		}
		tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp))
		if variant == "composed" {
			mux.Handle(pattern, composedServer(h, tp))
		} else {
			mux.Handle(pattern, otelServer(h, tp))
		}
	}
	all := http.NewServeMux()
	all.Handle("/", served)
	all.HandleFunc("GET /cpu", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, cpuTime().Nanoseconds()) })
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(lis.Addr())
	return http.Serve(lis, all)
}

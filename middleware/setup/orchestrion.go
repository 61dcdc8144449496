package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// StartProgram starts the telemetry of a program that was built by Orchestrion and returns
// the function that ends it. Its main calls both, as orchestrion.yml says. The tracer
// provider becomes OpenTelemetry's global one. The metrics are in client_golang's default
// registry: a program that serves it serves them too, and OTEL_METRICS_EXPORTER=otlp pushes
// them. When Start refuses the environment, the program runs without spans.
func StartProgram() (stop func()) {
	opts := []Option{WithGlobal(), WithLogWriter(os.Stderr)}
	if r, ok := prometheus.DefaultRegisterer.(*prometheus.Registry); ok {
		opts = append(opts, WithRegistry(r))
	}
	ctx := context.Background()
	rt, err := Start(ctx, "unknown_service:"+filepath.Base(os.Args[0]), opts...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return func() {}
	}
	return func() {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := rt.Shutdown(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

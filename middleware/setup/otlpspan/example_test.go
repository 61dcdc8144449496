package otlpspan_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

// A program that does not use package setup gives its own way to export a batch.
func ExampleNew() {
	p, err := otlpspan.New(otlpspan.Config{
		Export: func(_ context.Context, resourceSpans []byte, spans int) error {
			fmt.Println(len(resourceSpans) > 0, spans)
			return nil
		},
	})
	if err != nil {
		panic(err)
	}
	_, span := p.Tracer("example").Start(context.Background(), "work")
	span.End()
	if err := p.Shutdown(context.Background()); err != nil {
		panic(err)
	}
	// Output: true 1
}

// One percent of the traces that begin here is sampled. Others follow their callers.
func ExampleParentBased() {
	p, err := otlpspan.New(otlpspan.Config{
		Sampler: otlpspan.ParentBased(sdktrace.TraceIDRatioBased(0.01)),
		Export:  func(context.Context, []byte, int) error { return nil },
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = p.Shutdown(context.Background()) }()
	_, span := p.Tracer("example").Start(context.Background(), "work")
	defer span.End()
}

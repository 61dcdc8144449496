// The mixedtrace program shows one trace across two tracing libraries. A client of
// httpmw calls an HTTP service that uses uber/jaeger-client-go.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/opentracing/opentracing-go"
	"github.com/opentracing/opentracing-go/ext"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/uber/jaeger-client-go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mixedtrace:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	reporter := jaeger.NewInMemoryReporter()
	legacyTracer, closer := jaeger.NewTracer("loyalty", jaeger.NewConstSampler(false), reporter)
	defer closer.Close()
	legacy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parent, err := legacyTracer.Extract(opentracing.HTTPHeaders, opentracing.HTTPHeadersCarrier(r.Header))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		legacyTracer.StartSpan("GET /points", ext.RPCServerOption(parent)).Finish()
	}))
	defer legacy.Close()

	provider := sdktrace.NewTracerProvider()
	tel, err := hop.New(hop.WithServiceName("pricing"), hop.WithTracerProvider(provider),
		hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.Nop()))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(tel), httpmw.WithDependency("loyalty"), httpmw.WithJaegerPropagation())}
	ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "GET /price", SpanKind: trace.SpanKindServer})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, legacy.URL+"/points", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	h.End(adapter.Outcome{Quiet: true})

	spans := reporter.GetSpans()
	if len(spans) != 1 {
		return fmt.Errorf("the legacy service reported %d spans, want 1", len(spans))
	}
	sc, ok := spans[0].Context().(jaeger.SpanContext)
	if !ok {
		return fmt.Errorf("unexpected span context %T", spans[0].Context())
	}
	got, want := sc.TraceID().String(), h.Span().SpanContext().TraceID().String()
	fmt.Fprintln(out, "same trace:", got == want)
	fmt.Fprintln(out, "legacy span has a parent:", sc.ParentID() != 0)
	return nil
}

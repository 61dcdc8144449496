package setup

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/tenhop/tenhop/middleware/setup/otlpspan"
)

// WithSDKSpans makes Runtime.TracerProvider the SDK's also where spans are exported over
// OTLP only. By default it is one of package otlpspan then, which exports the same at a
// fraction of the cost, but has no span processors: RegisterSpanProcessor needs this
// option. The environment variable TENHOP_SDK_SPANS=true has the same effect.
func WithSDKSpans() Option { return func(c *config) { c.sdkSpans = true } }

// mustBeSDK reports whether the spans must be the SDK's: they are exported otherwise than
// over OTLP, someone wants them to be, or the SDK is to report on itself.
func (c *config) mustBeSDK(exporters []string) (bool, error) {
	sdk := false
	if v := getenv("TENHOP_SDK_SPANS"); v != "" {
		var err error
		if sdk, err = strconv.ParseBool(v); err != nil {
			return false, fmt.Errorf("setup: TENHOP_SDK_SPANS: %q is not a boolean; use true, false", v)
		}
	}
	return sdk || c.sdkSpans || len(exporters) != 1 || exporters[0] != "otlp" ||
		truth("OTEL_GO_X_OBSERVABILITY") || truth("OTEL_GO_X_SELF_OBSERVABILITY"), nil
}

// startOTLPSpans sets rt.TracerProvider to one that exports through the client of the
// SDK's exporter, with its settings, retries and limits of size.
func (rt *Runtime) startOTLPSpans(ctx context.Context, client otlptrace.Client, res *resource.Resource, reg prometheus.Registerer) error {
	if err := client.Start(ctx); err != nil {
		return fmt.Errorf("setup: OTLP trace exporter: %w", err)
	}
	dropped, failed := spanCounters(reg)
	var batch sdktrace.BatchSpanProcessorOptions
	for _, o := range spanBatches() {
		o(&batch)
	}
	limits := spanLimits()
	p, err := otlpspan.New(otlpspan.Config{
		Sampler: sampler(), Limits: &limits, Resource: res, Batch: batch, Dropped: dropped.Inc,
		Export: func(ctx context.Context, resourceSpans []byte, spans int) error {
			ctx, cancel := rt.warnings.bounded(ctx)
			defer cancel()
			err := client.UploadTraces(ctx, []*tracepb.ResourceSpans{encoded(resourceSpans)})
			if err == nil {
				return nil
			}
			failed.Inc()
			dropped.Add(float64(spans))
			return rt.warnings.failed("spans", spans, fmt.Errorf("traces export: %w", err))
		},
	})
	if err != nil {
		return fmt.Errorf("setup: %w", errors.Join(err, client.Stop(ctx)))
	}
	registerQueued(reg, func() float64 { return float64(p.Queued()) })
	rt.TracerProvider = p
	rt.shutdown = append(rt.shutdown, func(ctx context.Context) error { return errors.Join(p.Shutdown(ctx), client.Stop(ctx)) })
	return nil
}

// encoded returns a message whose encoding is b. Fields that a message does not know are
// sent as they are, and this one was told of none.
func encoded(b []byte) *tracepb.ResourceSpans {
	m := &tracepb.ResourceSpans{}
	m.ProtoReflect().SetUnknown(b)
	return m
}

// sampler returns the sampler of OTEL_TRACES_SAMPLER, as the SDK has it. checkEnvironment
// has checked the values.
func sampler() sdktrace.Sampler {
	ratio, err := strconv.ParseFloat(getenv("OTEL_TRACES_SAMPLER_ARG"), 64)
	if err != nil {
		ratio = 1
	}
	switch enum("OTEL_TRACES_SAMPLER", "") {
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio)
	case "parentbased_always_off":
		return otlpspan.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return otlpspan.ParentBased(sdktrace.TraceIDRatioBased(ratio))
	}
	return otlpspan.ParentBased(sdktrace.AlwaysSample())
}

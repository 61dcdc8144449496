// Package otelmw makes the middleware's metrics from the spans of other
// OpenTelemetry instrumentation. A service that keeps otelhttp, otelgrpc, otelsql or
// the instrumentation of MongoDB or AWS gets self time, waits and RED metrics by one
// span processor:
//
//	tp := sdktrace.NewTracerProvider(
//		sdktrace.WithBatcher(exporter),
//		sdktrace.WithSpanProcessor(otelmw.NewSpanProcessor()),
//	)
//
// A server or consumer span whose parent is remote, or that has none, is a hop. The
// client and producer spans below it are its waits, however deep they are. A client
// span below another client span, such as the HTTP request of an AWS call, is part of
// the outer one. A span that outlives its hop counts until the hop's end.
//
// # Beside the other adapters
//
// Spans of httpmw, grpcmw and the other adapters report themselves and are left out.
// A client span of other instrumentation within the hop of an adapter is a wait of
// that hop. A server span around or below an adapter's handler is not counted again.
//
// # Sampling
//
// A span that is not recorded does not reach a span processor. With a sampler that
// drops requests, the metrics cover the recorded ones only. Wrap the sampler to record
// all spans and still export the same ones:
//
//	sdktrace.WithSampler(sdktrace.AlwaysRecord(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))))
//
// # Entries
//
// The entry of a hop comes from the baggage in its context, which needs
// propagation.Baggage among the service's propagators. Without it the hop is its own
// entry.
package otelmw

// Package adapter is the API for authors of adapters. An adapter reports the
// messages that a transport delivers, and the calls that a client makes, in spans,
// metrics and log lines. Services use package hop instead. Packages messaging and
// database simplify adapters for message brokers and databases.
//
// A complete adapter, for the handlers and the client of a job queue:
//
//	package jobmw
//
//	import (
//		"context"
//		"log/slog"
//
//		"go.opentelemetry.io/otel/propagation"
//		"go.opentelemetry.io/otel/trace"
//
//		"github.com/tenhop/tenhop/middleware/adapter"
//		"github.com/tenhop/tenhop/middleware/hop"
//	)
//
//	// Job is a message of the transport.
//	type Job struct {
//		Name   string
//		Header map[string]string
//	}
//
//	// Func handles a job or submits one.
//	type Func func(context.Context, *Job) error
//
//	// Handler measures fn.
//	func Handler(t *hop.Telemetry, fn Func) (Func, error) {
//		core := t.Core()
//		duration, err := core.RequestHistogram("job_run_duration_seconds", "Duration of jobs.", "job_name", "error_type")
//		if err != nil {
//			return nil, err
//		}
//		return func(ctx context.Context, j *Job) (err error) {
//			name := core.Destination(j.Name) // bounds the label's values
//			ctx, h := core.Begin(ctx, adapter.Incoming{
//				Protocol: "job", Operation: "run " + name, SpanKind: trace.SpanKindConsumer,
//				Carrier: propagation.MapCarrier(j.Header), Async: true,
//			})
//			returned := false
//			defer func() {
//				out := adapter.Outcome{Message: "job", Err: err, ErrorType: adapter.ErrorType(err),
//					Queued: true, QueueWait: -1} // a job does not say when it was submitted
//				var panicked any
//				if !returned {
//					panicked = recover()
//					out.Err, out.ErrorType = adapter.PanicError(panicked), adapter.ErrorPanic
//				}
//				if out.ErrorType != "" {
//					out.Failed, out.Level = true, slog.LevelError
//				}
//				out.Series = duration.With(name, out.ErrorType)
//				h.End(out)
//				if panicked != nil {
//					panic(panicked)
//				}
//			}()
//			err = fn(ctx, j)
//			returned = true
//			return err
//		}, nil
//	}
//
//	// Client measures submit, which sends jobs to the queue named dependency.
//	func Client(t *hop.Telemetry, dependency string, submit Func) (Func, error) {
//		core := t.Core()
//		duration, err := core.RequestHistogram("job_submit_duration_seconds", "Duration of submitting a job.", "job_name", "error_type")
//		if err != nil {
//			return nil, err
//		}
//		return func(ctx context.Context, j *Job) error {
//			name := core.Destination(j.Name)
//			ctx, call := core.BeginCall(ctx, adapter.Outgoing{
//				Dependency: adapter.Dependency{Name: dependency, Kind: adapter.KindProduce},
//				SpanName:   "submit " + name, SpanKind: trace.SpanKindProducer, Async: true,
//			})
//			if j.Header == nil {
//				j.Header = map[string]string{}
//			}
//			call.Inject(ctx, propagation.MapCarrier(j.Header))
//			err := submit(ctx, j)
//			errorType := adapter.ErrorType(err)
//			took := call.End(adapter.Outcome{ErrorType: errorType, Failed: err != nil})
//			duration.Observe(took, core.Now(), call.Span().SpanContext(), name, errorType)
//			return err
//		}, nil
//	}
//
// Package mwtest has a conformance test for adapters.
//
// # Cost
//
// The example favors brevity over performance. An adapter for high message rates
// resolves shared attributes and series once, with Fix and Histogram.With. It
// embeds the Hop in its own record of the message and calls Core.BeginInto. It
// borrows the buffer for a span's attributes with BorrowAttributes.
//
// # Bounds
//
// Label values must come from a closed set or from Core.Destination. The texts of
// errors, keys, queries and payloads may contain personal data. They must not
// become labels or attributes.
package adapter

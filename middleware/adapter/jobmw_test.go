package adapter_test

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Job is a message of the transport.
type Job struct {
	Name   string
	Header map[string]string
	Queued time.Time
}

// Func handles a job or submits one.
type Func func(context.Context, *Job) error

// Handler measures fn.
func Handler(t *hop.Telemetry, fn Func) (Func, error) {
	core := t.Core()
	duration, err := core.RequestHistogram("job_run_duration_seconds", "Duration of jobs.", "job_name", "error_type")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, j *Job) (err error) {
		name := core.Destination(j.Name) // bounds the label's values
		ctx, h := core.Begin(ctx, adapter.Incoming{
			Protocol: "job", Operation: "run " + name, SpanKind: trace.SpanKindConsumer,
			Carrier: propagation.MapCarrier(j.Header), Async: true,
		})
		returned := false
		defer func() {
			out := adapter.Outcome{Message: "job", Err: err, ErrorType: adapter.ErrorType(err),
				Queued: true, QueueWait: h.Start().Sub(j.Queued)}
			var panicked any
			if !returned {
				panicked = recover()
				out.Err, out.ErrorType = adapter.PanicError(panicked), adapter.ErrorPanic
			}
			if out.ErrorType != "" {
				out.Failed, out.Level = true, slog.LevelError
			}
			out.Series = duration.With(name, out.ErrorType)
			h.End(out)
			if panicked != nil {
				panic(panicked)
			}
		}()
		err = fn(ctx, j)
		returned = true
		return err
	}, nil
}

// Client measures submit, which sends jobs to the queue named dependency.
func Client(t *hop.Telemetry, dependency string, submit Func) Func {
	core := t.Core()
	return func(ctx context.Context, j *Job) error {
		ctx, call := core.BeginCall(ctx, adapter.Outgoing{
			Dependency: adapter.Dependency{Name: dependency, Kind: adapter.KindProduce},
			SpanName:   "submit " + core.Destination(j.Name), SpanKind: trace.SpanKindProducer, Async: true,
		})
		if j.Header == nil {
			j.Header = map[string]string{}
		}
		call.Inject(ctx, propagation.MapCarrier(j.Header))
		err := submit(ctx, j)
		call.End(adapter.Outcome{ErrorType: adapter.ErrorType(err), Failed: err != nil})
		return err
	}
}

package sqlmw

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// provider stands between otelsql and the tracer: where otelsql opens a span
// around a driver call, the hop's wait begins, and it ends with the span.
type provider struct {
	embedded.TracerProvider
	config
	dependency string
	duration   *adapter.Histogram
}

func (p *provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{provider: p} }

type tracer struct {
	embedded.Tracer
	*provider
}

func (t tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if a, ok := ctx.Value(acquisitionKey{}).(*acquisition); ok {
		a.end()
	}
	start := trace.NewSpanStartConfig(opts...)
	ctx, call := t.core.BeginCall(ctx, adapter.Outgoing{
		Dependency: adapter.Dependency{Name: t.dependency, Kind: adapter.KindDatabase},
		SpanName:   name, SpanKind: trace.SpanKindClient, Attributes: append(start.Attributes(), adapter.AttrDBOperation.String(name)),
	})
	s := &span{Span: call.Span(), tracer: t, call: call, name: name}
	return ctx, s
}

type span struct {
	trace.Span
	tracer tracer
	call   adapter.ClientCall
	name   string
	err    string
	failed bool
}

// RecordError keeps the error's type; its text may hold values of the query.
func (s *span) RecordError(err error, _ ...trace.EventOption) {
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		s.err = "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		s.err = "timeout"
	default:
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
		s.err = fmt.Sprintf("%T", err)
	}
}

func (s *span) SetStatus(code codes.Code, _ string) { s.failed = code == codes.Error }

func (s *span) End(...trace.SpanEndOption) {
	out := adapter.Outcome{Failed: s.failed}
	if s.failed {
		if out.ErrorType = s.err; out.ErrorType == "" {
			out.ErrorType = adapter.Overflow
		}
	}
	t := s.tracer
	sc := s.SpanContext()
	t.duration.Observe(s.call.End(out), t.core.Now(), sc, t.system, s.name, t.dependency, out.ErrorType)
}

// operation is db.operation.name: the statement's first keyword, from a closed
// set, since a query's text may hold anything.
func operation(m otelsql.Method, query string) string {
	switch m {
	case otelsql.MethodConnBeginTx:
		return "BEGIN"
	case otelsql.MethodTxCommit:
		return "COMMIT"
	case otelsql.MethodTxRollback:
		return "ROLLBACK"
	case otelsql.MethodConnectorConnect:
		return "CONNECT"
	case otelsql.MethodConnPing:
		return "PING"
	}
	query = strings.TrimSpace(query)
	if i := strings.IndexAny(query, " \t\r\n(;"); i > 0 {
		query = query[:i]
	}
	switch word := strings.ToUpper(query); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE", "ALTER", "DROP", "PRAGMA", "REPLACE", "MERGE":
		return word
	}
	return adapter.Overflow
}

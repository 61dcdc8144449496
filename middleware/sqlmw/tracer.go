package sqlmw

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/database"
)

// provider is the tracer provider of otelsql. Where otelsql starts a span around a
// driver call, it starts the statement, which ends with the span.
type provider struct {
	embedded.TracerProvider
	client     *database.Client
	chaos      *chaos.Injector
	dependency string
}

func (p *provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return tracer{provider: p} }

type tracer struct {
	embedded.Tracer
	*provider
}

var (
	_ trace.TracerProvider = (*provider)(nil)
	_ trace.Tracer         = tracer{}
	_ trace.Span           = (*span)(nil)
)

func (t tracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	if a, ok := ctx.Value(acquisitionKey{}).(*acquisition); ok {
		a.end()
	}
	start := trace.NewSpanStartConfig(opts...)
	ctx, statement := t.client.Begin(ctx, name, start.Attributes()...)
	if !inner[name] {
		_ = t.chaos.ApplyCall(ctx, t.dependency) // it waits; the driver reports what became of the context
	}
	return ctx, &span{Span: statement.Span(), statement: statement}
}

// inner holds the calls that accompany statements, which a fault of the statements leaves
// alone.
var inner = map[string]bool{"BEGIN": true, "COMMIT": true, "ROLLBACK": true, "CONNECT": true, "PREPARE": true, "PING": true}

type span struct {
	trace.Span
	statement database.Statement
	err       string
	failed    bool
	skipped   bool // the driver does not take the call; database/sql prepares it instead
}

// RecordError keeps the error's type. Its text may hold values of the query.
func (s *span) RecordError(err error, _ ...trace.EventOption) {
	switch {
	case errors.Is(err, driver.ErrSkip):
		s.skipped = true
	case err != nil:
		s.err = errorType(err)
	}
}

func (s *span) SetStatus(code codes.Code, _ string) { s.failed = code == codes.Error }

func (s *span) End(...trace.SpanEndOption) {
	if s.skipped {
		s.statement.Discard()
		return
	}
	errorType := ""
	if s.failed {
		if errorType = s.err; errorType == "" {
			errorType = adapter.Overflow
		}
	}
	s.statement.End(errorType)
}

// operation returns db.operation.name of a driver call.
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
	case otelsql.MethodConnPrepare:
		return "PREPARE" // the statement is counted when it is executed
	case otelsql.MethodConnPing:
		return "PING"
	}
	return database.Operation(query)
}

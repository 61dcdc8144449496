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
	"github.com/tenhop/tenhop/middleware/database"
)

// provider is the tracer provider of otelsql. Where otelsql starts a span around a
// driver call, it starts the statement, which ends with the span.
type provider struct {
	embedded.TracerProvider
	client *database.Client
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
	return ctx, &span{Span: statement.Span(), statement: statement}
}

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
	case errors.Is(err, driver.ErrBadConn): // database/sql tries again on another connection
		s.err = "bad_connection"
	case errors.Is(err, driver.ErrSkip):
		s.skipped = true
	case err != nil:
		s.err = adapter.ErrorType(err)
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

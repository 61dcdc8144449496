// Package pgxmw measures pgx: a span and RED metrics per statement, and both
// the statement's time and the wait for a connection of a pgxpool count as the
// hop's waiting.
//
//	cfg, err := pgxpool.ParseConfig(dsn)
//	cfg.ConnConfig.Tracer = pgxmw.Tracer("orders-db")
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
//
// pgxpool finds the pool's part in the same value. For database/sql over pgx
// use sqlmw. No statement's text, argument or error text is in any signal.
package pgxmw

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

const systemName = "postgresql"

type config struct{ core *adapter.Core }

// Option sets one thing of a tracer.
type Option func(*config)

// WithTelemetry sets what to report to; hop.Default otherwise.
func WithTelemetry(t *hop.Telemetry) Option {
	if t == nil {
		panic("pgxmw: WithTelemetry: nil Telemetry")
	}
	return func(c *config) { c.core = t.Core() }
}

// QueryTracer is pgx's tracer for statements, batches, COPY, PREPARE, new
// connections and the wait for one of a pool.
type QueryTracer struct {
	core     *adapter.Core
	database adapter.Dependency
	pool     adapter.Dependency
	duration *adapter.Histogram
}

// Tracer makes a tracer for pgx.ConnConfig.Tracer. dependency is the database's
// logical name in metrics and findings, such as "orders-db". Wrong use panics
// here, not at a statement.
func Tracer(dependency string, opts ...Option) *QueryTracer {
	if dependency == "" {
		panic(`pgxmw: Tracer: the dependency needs a name, such as "orders-db"`)
	}
	var c config
	for _, o := range opts {
		if o == nil {
			panic("pgxmw: nil option")
		}
		o(&c)
	}
	if c.core == nil {
		c.core = hop.Default().Core()
	}
	d, err := c.core.RequestHistogram("db_client_operation_duration_seconds", "Duration of database driver calls.",
		"db_system_name", "db_operation_name", "dependency", "error_type")
	if err != nil {
		panic("pgxmw: " + err.Error())
	}
	return &QueryTracer{core: c.core, duration: d,
		database: adapter.Dependency{Name: dependency, Kind: adapter.KindDatabase}, pool: adapter.Dependency{Name: dependency, Kind: adapter.KindPool}}
}

// statement is one measured call, found again through the context.
type statement struct {
	call      adapter.ClientCall
	operation string
}

type (
	statementKey struct{}
	acquireKey   struct{}
)

func (t *QueryTracer) start(ctx context.Context, operation string, attrs ...attribute.KeyValue) context.Context {
	ctx, call := t.core.BeginCall(ctx, adapter.Outgoing{
		Dependency: t.database, SpanName: operation, SpanKind: trace.SpanKindClient,
		Attributes: append(attrs, adapter.AttrDBSystem.String(systemName), adapter.AttrDBOperation.String(operation),
			adapter.AttrPeerService.String(t.database.Name)),
	})
	return context.WithValue(ctx, statementKey{}, &statement{call: call, operation: operation})
}

func (t *QueryTracer) end(ctx context.Context, err error) {
	s, ok := ctx.Value(statementKey{}).(*statement)
	if !ok {
		return
	}
	out := adapter.Outcome{ErrorType: errorType(err)}
	out.Failed = out.ErrorType != ""
	start, sc := s.call.Start(), s.call.Span().SpanContext()
	d := s.call.End(out)
	t.duration.Observe(d, start.Add(d), sc, systemName, s.operation, t.database.Name, out.ErrorType)
}

// TraceQueryStart starts a statement.
func (t *QueryTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return t.start(ctx, operation(data.SQL))
}

// TraceQueryEnd ends a statement. pgx calls it when the rows are closed.
func (t *QueryTracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
}

// TraceBatchStart starts a batch: one span for all of its statements.
func (t *QueryTracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	size := 0
	if data.Batch != nil {
		size = data.Batch.Len()
	}
	return t.start(ctx, "BATCH", attribute.Int("db.operation.batch.size", size))
}

// TraceBatchQuery does nothing: a batch is measured as a whole.
func (t *QueryTracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends a batch.
func (t *QueryTracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
}

// TraceCopyFromStart starts a COPY.
func (t *QueryTracer) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return t.start(ctx, "COPY")
}

// TraceCopyFromEnd ends a COPY.
func (t *QueryTracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, data.Err)
}

// TracePrepareStart starts a PREPARE.
func (t *QueryTracer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return t.start(ctx, "PREPARE")
}

// TracePrepareEnd ends a PREPARE.
func (t *QueryTracer) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareEndData) {
	t.end(ctx, data.Err)
}

// TraceConnectStart starts a new connection.
func (t *QueryTracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return t.start(ctx, "CONNECT")
}

// TraceConnectEnd ends the start of a connection.
func (t *QueryTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	t.end(ctx, data.Err)
}

// TraceAcquireStart starts the wait for a connection of the pool.
func (t *QueryTracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	wait := adapter.FromContext(ctx).StartCall(t.pool)
	return context.WithValue(ctx, acquireKey{}, wait)
}

// TraceAcquireEnd ends the wait for a connection.
func (t *QueryTracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if wait, ok := ctx.Value(acquireKey{}).(adapter.Call); ok {
		wait.End()
	}
}

// operation is db.operation.name: the statement's first keyword, from a closed
// set, since a statement's text may hold anything.
func operation(sql string) string {
	sql = strings.TrimSpace(sql)
	if i := strings.IndexAny(sql, " \t\r\n(;"); i > 0 {
		sql = sql[:i]
	}
	switch word := strings.ToUpper(sql); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "COPY",
		"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "LISTEN", "NOTIFY", "SET", "SHOW", "EXPLAIN", "CALL", "LOCK":
		return word
	}
	return adapter.Overflow
}

// errorType is error.type: PostgreSQL's SQLSTATE, what ended the wait, or the
// type of the innermost error.
func errorType(err error) string {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrNoRows): // no row is an answer
		return ""
	case errors.As(err, &pg):
		return pg.Code
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

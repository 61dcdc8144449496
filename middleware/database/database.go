// Package database is shared by the adapters of databases and caches (sqlmw, pgxmw,
// redismw, elasticmw). It records the span and the metrics of a statement, and the wait for
// it. It does not depend on a driver. Services import an adapter. This package is
// for authors of adapters.
//
// A complete adapter, for a store whose client is a function:
//
//	package storemw
//
//	import (
//		"context"
//
//		"github.com/tenhop/tenhop/middleware/adapter"
//		"github.com/tenhop/tenhop/middleware/database"
//		"github.com/tenhop/tenhop/middleware/hop"
//	)
//
//	// Exec executes a statement.
//	type Exec func(ctx context.Context, statement string) error
//
//	// Measure measures exec. dependency is the store's logical name.
//	func Measure(exec Exec, dependency string) (Exec, error) {
//		client, err := database.NewClient(hop.Default().Core(), "mystore", adapter.Dependency{Name: dependency, Kind: adapter.KindDatabase})
//		if err != nil {
//			return nil, err
//		}
//		return func(ctx context.Context, statement string) error {
//			ctx, s := client.Begin(ctx, database.Operation(statement))
//			err := exec(ctx, statement)
//			s.End(adapter.ErrorType(err))
//			return err
//		}, nil
//	}
package database

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Client measures the statements that a service sends to one database.
type Client struct {
	core       *adapter.Core
	system     string
	dependency adapter.Dependency
	duration   *adapter.Histogram
	fixed      []attribute.KeyValue // of every span
}

// NewClient returns a Client that reports to core. system is db.system.name, such
// as "postgresql"; dependency has the database's logical name. It returns an error
// when the registry refuses db_client_operation_duration_seconds.
func NewClient(core *adapter.Core, system string, dependency adapter.Dependency) (*Client, error) {
	d, err := core.RequestHistogram("db_client_operation_duration_seconds", "Duration of database driver calls.",
		"db_system_name", "db_operation_name", "dependency", "error_type")
	if err != nil {
		return nil, err
	}
	return &Client{core: core, system: system, dependency: dependency, duration: d,
		fixed: []attribute.KeyValue{adapter.AttrDBSystem.String(system), adapter.AttrPeerService.String(dependency.Name)}}, nil
}

// Locate sets where the database is, for the spans of the statements that begin afterwards. It
// is not safe for use at the same time as Begin.
func (c *Client) Locate(l Location) {
	c.fixed = append(slices.Clip(c.fixed[:2]), l.Attributes()...)
}

// Statement is a statement in progress.
type Statement struct {
	client    *Client
	call      adapter.ClientCall
	operation string
	ended     uint32 // atomic; the statement is copied
}

// Begin starts the span and the wait of a statement. The span's name is operation,
// which must come from a closed set. attrs are further attributes known at the
// start. Statement.End must be called once.
func (c *Client) Begin(ctx context.Context, operation string, attrs ...attribute.KeyValue) (context.Context, Statement) {
	ctx, call := c.core.BeginCall(ctx, adapter.Outgoing{
		Dependency: c.dependency, SpanName: operation, SpanKind: trace.SpanKindClient,
		Attributes: append(append(append(make([]attribute.KeyValue, 0, len(c.fixed)+len(attrs)+1), attrs...), c.fixed...), adapter.AttrDBOperation.String(operation)),
	})
	return ctx, Statement{client: c, call: call, operation: operation}
}

// Span returns the statement's span.
func (s *Statement) Span() trace.Span { return s.call.Span() }

// End ends the statement and returns its duration. errorType is "" on success. For
// errors without a code of the database, adapter.ErrorType returns it. Only the first End
// has an effect.
func (s *Statement) End(errorType string) time.Duration {
	if !atomic.CompareAndSwapUint32(&s.ended, 0, 1) {
		return 0
	}
	start, sc := s.call.Start(), s.call.Span().SpanContext()
	d := s.call.End(adapter.Outcome{ErrorType: errorType, Failed: errorType != ""})
	s.client.duration.Observe(d, start.Add(d), sc, s.client.system, s.operation, s.client.dependency.Name, errorType)
	return d
}

// Discard ends a statement that was not sent: the driver asked for another way. It is in no
// metric and no span.
func (s *Statement) Discard() { s.call.Discard() }

// Operation returns db.operation.name of an SQL statement: its first keyword in
// capitals, or adapter.Overflow when that is not in a closed set. Comments and
// parentheses in front of it are skipped. The text of a statement must not be recorded,
// since it may contain values.
func Operation(statement string) string {
	statement = uncommented(statement)
	if i := strings.IndexAny(statement, " \t\r\n\f\v(;/-"); i > 0 {
		statement = statement[:i]
	}
	switch word := strings.ToUpper(statement); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "CALL", "COPY",
		"CREATE", "ALTER", "DROP", "TRUNCATE",
		"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "LOCK",
		"LISTEN", "NOTIFY", "SET", "SHOW", "EXPLAIN", "PRAGMA":
		return word
	}
	return adapter.Overflow
}

// uncommented returns a statement from its first keyword on.
func uncommented(s string) string {
	for {
		s = strings.TrimLeft(s, " \t\r\n\f\v(;\ufeff")
		switch {
		case strings.HasPrefix(s, "--"), strings.HasPrefix(s, "#"):
			i := strings.IndexByte(s, '\n')
			if i < 0 {
				return ""
			}
			s = s[i+1:]
		case strings.HasPrefix(s, "/*"):
			end := closing(s)
			if end < 0 {
				return ""
			}
			s = s[end:]
		default:
			return s
		}
	}
}

// closing returns the index after the comment that s starts with, or -1. PostgreSQL's
// comments nest; others end at the first mark, so a comment that only nesting leaves
// open ends there.
func closing(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	if i := strings.Index(s[2:], "*/"); i >= 0 {
		return i + 4
	}
	return -1
}

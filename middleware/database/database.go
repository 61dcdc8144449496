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
	"sync"
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

	mu         sync.RWMutex
	operations map[string]*perOperation
}

// perOperation holds what the statements of an operation share.
type perOperation struct {
	attrs   *adapter.FixedAttributes       // of spans without further attributes
	success atomic.Pointer[adapter.Series] // of statements without an error; nil before the first
}

// maxOperations is the maximum number of operations that a Client keeps.
const maxOperations = 256

// of returns what the statements of an operation share, or nil beyond the limit.
func (c *Client) of(name string) *perOperation {
	c.mu.RLock()
	o, full := c.operations[name], len(c.operations) >= maxOperations
	c.mu.RUnlock()
	if o != nil || full {
		return o
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if o = c.operations[name]; o == nil && len(c.operations) < maxOperations {
		o = &perOperation{attrs: adapter.Fix(append(slices.Clone(c.fixed), adapter.AttrDBOperation.String(name))...)}
		c.operations[name] = o
	}
	return o
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
	return &Client{core: core, system: system, dependency: dependency, duration: d, operations: map[string]*perOperation{},
		fixed: []attribute.KeyValue{adapter.AttrDBSystem.String(system), adapter.AttrPeerService.String(dependency.Name)}}, nil
}

// Locate sets where the database is, for the spans of the statements that begin afterwards. It
// is not safe for use at the same time as Begin.
func (c *Client) Locate(l Location) {
	c.fixed = append(slices.Clip(c.fixed[:2]), l.Attributes()...)
	clear(c.operations)
}

// Statement is a statement in progress.
type Statement struct {
	client    *Client
	call      adapter.ClientCall
	operation string
	shared    *perOperation // with the statements of the operation; may be nil
	ended     uint32        // atomic; the statement is copied
}

// Begin starts the span and the wait of a statement. The span's name is operation,
// which must come from a closed set. attrs are further attributes known at the
// start. Statement.End must be called once.
func (c *Client) Begin(ctx context.Context, operation string, attrs ...attribute.KeyValue) (context.Context, Statement) {
	out := adapter.Outgoing{Dependency: c.dependency, SpanName: operation, SpanKind: trace.SpanKindClient}
	shared := c.of(operation)
	if len(attrs) == 0 && shared != nil {
		out.Fixed = shared.attrs
	} else {
		buf := adapter.BorrowAttributes()
		defer buf.Return()
		out.Attributes = append(append(append(buf[:0], attrs...), c.fixed...), adapter.AttrDBOperation.String(operation))
	}
	ctx, call := c.core.BeginCall(ctx, out)
	return ctx, Statement{client: c, call: call, operation: operation, shared: shared}
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
	attrs := adapter.BorrowAttributes()
	defer attrs.Return()
	start, sc := s.call.Start(), s.call.Span().SpanContext()
	d := s.call.End(adapter.Outcome{ErrorType: errorType, Failed: errorType != "", Attrs: attrs[:0]})
	s.series(errorType).Observe(d, start.Add(d), sc)
	return d
}

// series returns the series of a statement that has ended.
func (s *Statement) series(errorType string) *adapter.Series {
	kept := errorType == "" && s.shared != nil
	if kept {
		if have := s.shared.success.Load(); have != nil {
			return have
		}
	}
	series := s.client.duration.With(s.client.system, s.operation, s.client.dependency.Name, errorType)
	if kept {
		s.shared.success.Store(series)
	}
	return series
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

// Package jaegerquery answers Jaeger's query API from a trace store: version 3
// (/api/v3/services, /operations, /traces, /traces/{id}, /dependencies), whose
// traces are OTLP JSON, and the older one that Jaeger's web UI and Grafana's
// data source use (/api/services, /api/operations, /api/traces,
// /api/dependencies).
//
// Shapes, parameters, defaults and error texts follow Jaeger v1.76.0
// (cmd/query/app and internal/uimodel there), and a contract test holds the
// two against each other. Where this server is more generous, it is said at
// the place: it reads v3's parameters in both spellings, snake_case as Jaeger
// does and camelCase as its OpenAPI says, and it lets v3 search by attributes.
package jaegerquery

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/tracestore"
)

// Source is where the traces come from; *tracestore.Store is one.
type Source interface {
	Services() []string
	Operations(service, kind string) []tracestore.Operation
	Trace(ctx context.Context, id pcommon.TraceID) (ptrace.Traces, error)
	Find(ctx context.Context, q tracestore.Query) ([]ptrace.Traces, error)
	Dependencies(ctx context.Context, from, to time.Time) ([]tracestore.Dependency, error)
}

type server struct {
	source Source
	now    func() time.Time
	ui     *url.URL
}

// Option configures a handler.
type Option func(*server)

// WithUI sends the web paths that Jaeger's links use (/, /search,
// /trace/{id}) to the same paths below base. Without it they answer 404 with
// a text that says what this port is.
func WithUI(base *url.URL) Option { return func(s *server) { s.ui = base } }

// WithClock replaces the wall clock for the default time range.
func WithClock(now func() time.Time) Option { return func(s *server) { s.now = now } }

// Handler serves the query API of source.
func Handler(source Source, opts ...Option) http.Handler {
	s := &server{source: source, now: time.Now}
	for _, o := range opts {
		o(s)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/services", s.v3Services)
	mux.HandleFunc("GET /api/v3/operations", s.v3Operations)
	mux.HandleFunc("GET /api/v3/traces", s.v3Find)
	mux.HandleFunc("GET /api/v3/traces/{id}", s.v3Trace)
	mux.HandleFunc("GET /api/v3/dependencies", s.v3Dependencies)

	mux.HandleFunc("GET /api/services", s.services)
	mux.HandleFunc("GET /api/services/{service}/operations", s.serviceOperations)
	mux.HandleFunc("GET /api/operations", s.operations)
	mux.HandleFunc("GET /api/traces", s.search)
	mux.HandleFunc("GET /api/traces/{id}", s.trace)
	mux.HandleFunc("GET /api/dependencies", s.dependencies)

	mux.HandleFunc("GET /{$}", s.web)
	mux.HandleFunc("GET /search", s.web)
	mux.HandleFunc("GET /trace/{id}", s.web)
	mux.HandleFunc("GET /dependencies", s.web)
	return mux
}

func (s *server) web(w http.ResponseWriter, r *http.Request) {
	if s.ui == nil {
		http.Error(w, "This port answers Jaeger's query API (/api/v3/services, /api/traces, …); it has no pages of its own.", http.StatusNotFound)
		return
	}
	to := s.ui.JoinPath(r.URL.Path)
	to.RawQuery = r.URL.RawQuery
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// first returns the first value of a parameter that is given in either
// spelling of v3: names are written in snake_case.
func first(q url.Values, name string) string {
	if v := q.Get(name); v != "" {
		return v
	}
	prefix, field, ok := strings.Cut(name, ".")
	if !ok {
		return q.Get(camel(name))
	}
	return q.Get(prefix + "." + camel(field))
}

func camel(snake string) string {
	parts := strings.Split(snake, "_")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
	}
	return strings.Join(parts, "")
}

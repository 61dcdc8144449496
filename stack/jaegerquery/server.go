// Package jaegerquery serves Jaeger's query APIs from a trace store: version 3
// (/api/v3/services, /operations, /traces, /traces/{id}, /dependencies), whose
// traces are OTLP JSON, and the legacy API of Jaeger's web UI and Grafana's data
// source (/api/services, /api/operations, /api/traces, /api/dependencies).
//
// Responses, parameters, defaults and error texts are those of Jaeger v1.76.0; a
// contract test compares both. In addition, version 3 accepts parameters in
// camelCase, as in Jaeger's OpenAPI document, and searches by attributes.
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

// Source is a source of traces. *tracestore.Store implements it.
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

// WithUI redirects the paths of Jaeger's web UI (/, /search, /trace/{id},
// /dependencies) to the same paths below base. The default is 404 with a text
// that explains the port.
func WithUI(base *url.URL) Option { return func(s *server) { s.ui = base } }

// WithClock sets the clock for default time ranges. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(s *server) { s.now = now } }

// Handler returns a handler of both query APIs that reads from source.
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
		http.Error(w, "This port answers Jaeger's query API (/api/v3/services, /api/traces, …); it has no web pages.", http.StatusNotFound)
		return
	}
	to := s.ui.JoinPath(r.URL.Path)
	to.RawQuery = r.URL.RawQuery
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// first returns the first value of a parameter of version 3. The name is in
// snake_case; the camelCase form is accepted as well.
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

package setup_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

// A handler may set as many attributes as the SDK takes. Those without which a span is of
// no use are there all the same, and the limit holds.
func TestAttributesOfTheProgramLeaveRoom(t *testing.T) {
	for _, c := range []struct {
		why        string
		limit, set int
	}{
		{"the default limit, reached", 128, 128},
		{"the default limit, exceeded by far", 128, 1000},
		{"one below", 128, 117},
		{"a low limit", 16, 40},
		{"a limit that the start reaches", 8, 8},
		{"far from it", 128, 3},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", strconv.Itoa(c.limit))
			spans := tracetest.NewSpanRecorder()
			tel, err := hop.New(hop.WithServiceName("s"), hop.WithRegistry(prometheus.NewRegistry()), hop.WithZerolog(zerolog.New(io.Discard)),
				hop.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
			if err != nil {
				t.Fatal(err)
			}
			many := func(s trace.Span) {
				for i := range c.set {
					s.SetAttributes(attribute.Int(fmt.Sprintf("user.%d", i), i))
				}
			}
			transport := httpmw.Transport(base(func(r *http.Request) (*http.Response, error) {
				many(trace.SpanFromContext(r.Context()))
				return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody, Header: http.Header{}}, nil
			}), httpmw.WithTelemetry(tel), httpmw.WithDependency("stock"))
			mux := http.NewServeMux()
			mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) {
				many(trace.SpanFromContext(r.Context()))
				req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://stock/", nil)
				if err != nil {
					t.Error(err)
				}
				if resp, err := transport.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
				}
				w.WriteHeader(http.StatusServiceUnavailable)
			})
			httpmw.Handler(mux, httpmw.WithTelemetry(tel)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items/7", nil))
			client, server := spans.Ended()[0], spans.Ended()[1]
			wantAttributes(t, client, c.limit, map[attribute.Key]string{"http.response.status_code": "502", "error.type": "502"})
			wantAttributes(t, server, c.limit, map[attribute.Key]string{"http.route": "/items/{id}", "http.response.status_code": "503", "error.type": "503",
				hop.CorrelationKey: "", "hop.self_ms": ""})
		})
	}
}

type base func(*http.Request) (*http.Response, error)

func (f base) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func wantAttributes(t *testing.T, s sdktrace.ReadOnlySpan, limit int, want map[attribute.Key]string) {
	t.Helper()
	if n := len(s.Attributes()); n > limit {
		t.Errorf("%s has %d attributes, the limit is %d", s.Name(), n, limit)
	}
	have := attribute.NewSet(s.Attributes()...)
	for key, value := range want {
		if v, ok := have.Value(key); !ok || value != "" && v.String() != value {
			t.Errorf("%s: %s is %q, want %q", s.Name(), key, v.String(), value)
		}
	}
}

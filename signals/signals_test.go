package signals_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/signals"
)

// TestFailure covers each way in which a call's outcome is spelled.
func TestFailure(t *testing.T) {
	for _, c := range []struct {
		why    string
		labels map[string]string
		want   string
	}{
		{"ended well", map[string]string{"error_type": ""}, ""},
		{"failed", map[string]string{"error_type": "503"}, "503"},
		{"the HTTP client went away", map[string]string{"error_type": "client_closed_request", "http_response_status_code": "499"}, ""},
		{"the gRPC caller went away", map[string]string{"error_type": "CANCELLED", "rpc_response_status_code": "CANCELLED"}, ""},
		{"the consumer was stopped", map[string]string{"error_type": "consumer_closed"}, ""},
		{"error_type decides before the status", map[string]string{"error_type": "", "http_response_status_code": "500"}, ""},
		{"no error_type, HTTP", map[string]string{"http_response_status_code": "502"}, "502"},
		{"no error_type, the client's mistake", map[string]string{"http_response_status_code": "404"}, ""},
		{"a cart that is full", map[string]string{"error_type": "FAILED_PRECONDITION", "rpc_response_status_code": "FAILED_PRECONDITION"}, ""},
		{"a caller that got 404", map[string]string{"error_type": "404", "http_response_status_code": "404"}, ""},
		{"no error_type, gRPC by name", map[string]string{"rpc_response_status_code": "UNAVAILABLE"}, "UNAVAILABLE"},
		{"no error_type, gRPC by number", map[string]string{"rpc_grpc_status_code": "14"}, "14"},
		{"no error_type, the caller's mistake", map[string]string{"rpc_grpc_status_code": "5"}, ""},
	} {
		if got := signals.Failure(c.labels); got != c.want {
			t.Errorf("%s: Failure(%v) = %q, want %q", c.why, c.labels, got, c.want)
		}
	}
}

// TestFailedSelects holds the PromQL matcher to Failure.
func TestFailedSelects(t *testing.T) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(`{` + signals.Failed() + `}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"", "503", "UNAVAILABLE", "client_closed_request", "CANCELLED", "consumer_closed", "canceled", "_OTHER", "404", "429", "500",
		"FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL", "*errors.errorString"} {
		selected := true
		for _, m := range matchers {
			selected = selected && m.Matches(value)
		}
		if failed := signals.Failure(map[string]string{model.MetricNameLabel: "x", "error_type": value}) != ""; selected != failed {
			t.Errorf("error_type %q: the matcher selects %v, Failure says %v", value, selected, failed)
		}
	}
}

// TestDepartedClient holds the spelling to what the middleware exports.
func TestDepartedClient(t *testing.T) {
	rec := mwtest.New(t)
	ctx, leave := context.WithCancel(t.Context())
	h := httpmw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leave() }), httpmw.WithTelemetry(rec.Telemetry))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if n := rec.Count(signals.HTTPServer); n != 1 {
		t.Fatalf("%d requests were counted, want 1", n)
	}
	if n := rec.Count(signals.HTTPServer, "error_type", "client_closed_request"); n != 1 {
		t.Error("a request whose client went away has another error_type")
	}
}

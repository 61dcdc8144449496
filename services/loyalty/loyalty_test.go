package loyalty

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	jaeger "github.com/uber/jaeger-client-go"

	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

func TestPoints(t *testing.T) {
	storetest.Each(t, "loyalty", func(t *testing.T, e *runtime.Env) {
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		reporter := jaeger.NewInMemoryReporter()
		tracer, closer := jaeger.NewTracer("loyalty", jaeger.NewConstSampler(true), reporter, jaeger.TracerOptions.Gen128Bit(true))
		defer closer.Close()
		var log bytes.Buffer
		s := &server{store: store, tracer: tracer, log: zerolog.New(&log)}
		mux := http.NewServeMux()
		mux.HandleFunc(operation, s.points)
		handler := s.traced(mux)

		const trace = "0af7651916cd43dd8448eb211c80319c"
		ask := func() contracts.LoyaltyAccount {
			t.Helper()
			r := httptest.NewRequest(http.MethodGet, "/points/user-001", nil)
			r.Header.Set("uber-trace-id", trace+":b7ad6b7169203331:0:1")
			r.Header.Set("X-Correlation-ID", "c-1")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			var a contracts.LoyaltyAccount
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			return a
		}
		if first, again := ask(), ask(); first != again || first.Points < 1 {
			t.Errorf("%v, then %v", first, again)
		}
		spans := reporter.GetSpans()
		if len(spans) != 2 {
			t.Fatalf("%d spans", len(spans))
		}
		sp, ok := spans[0].(*jaeger.Span)
		if !ok {
			t.Fatalf("%T", spans[0])
		}
		if got := traceID(sp.SpanContext().TraceID()); got != trace {
			t.Errorf("trace %s: all 128 bits have to survive", got)
		}
		if sp.Tags()["correlation_id"] != "c-1" {
			t.Errorf("tags %v", sp.Tags())
		}
		if line := log.String(); !strings.Contains(line, trace) || !strings.Contains(line, `"correlation_id":"c-1"`) {
			t.Errorf("logged %s", line)
		}

		// A broken store is a 500 on the span, and no text of the driver's outside.
		if _, err := store.Exec(t.Context(), "DROP TABLE points"); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/points/user-001", nil))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "points\"") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		last, ok := reporter.GetSpans()[2].(*jaeger.Span)
		if !ok || last.Tags()["error"] != true {
			t.Error("the span is no error")
		}
	})
}

package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// TestTheSpanSaysThatItsRequestBecameAnExemplar: tail sampling keeps a trace by
// the attribute, so that every exemplar of a hop's own histograms opens one.
func TestTheSpanSaysThatItsRequestBecameAnExemplar(t *testing.T) {
	now := time.Unix(1000, 0)
	rec := mwtest.New(t, hop.WithClock(func() time.Time { return now }))
	status := http.StatusOK
	h := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now = now.Add(20 * time.Millisecond)
		w.WriteHeader(status)
	}), httpmw.WithTelemetry(rec.Telemetry))
	send := func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/items", nil))
	}
	for _, tt := range []struct {
		why    string
		before time.Duration
		status int
		want   bool
	}{
		{"the first of its buckets", 0, http.StatusOK, true},
		{"within a second of it", 0, http.StatusOK, false},
		{"within a second, but the first with its status", 0, http.StatusNotFound, true},
		{"within a second of both", 0, http.StatusNotFound, false},
		{"a second later", time.Second, http.StatusOK, true},
	} {
		now, status = now.Add(tt.before), tt.status
		send()
		spans := rec.Spans()
		last := spans[len(spans)-1]
		got := last.Attributes["tenhop.exemplar"] == "true"
		taken := strings.Contains(exemplars(t, rec), last.SpanContext.TraceID().String())
		if got != tt.want || taken != tt.want {
			t.Errorf("%s: marked %t, in a histogram %t, want %t", tt.why, got, taken, tt.want)
		}
	}
}

// exemplars lists the trace IDs that the histograms hold.
func exemplars(t *testing.T, rec *mwtest.Recorder) string {
	t.Helper()
	families, err := rec.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var ids strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, b := range m.GetHistogram().GetBucket() {
				ids.WriteString(b.GetExemplar().String())
			}
		}
	}
	return ids.String()
}

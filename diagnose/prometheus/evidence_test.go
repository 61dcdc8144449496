package prometheus_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/prometheus"
)

// A replica that restarts must not count what the other replicas did in their
// whole lives: growth is taken of each instance, then added up.
func TestRestartOfOneReplica(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	replicas := map[string][]string{
		"payment-1": {"1000", "1001", "1002", "1003", "1004"},
		"payment-2": {"1000", "1001", "1002", "1003", "1004"},
		"payment-3": {"1000", "1001", "0.5", "1.5", "2.5"},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.FormValue("query")
		result := []any{}
		if strings.Contains(q, "hop_duration_seconds_count") {
			if !strings.Contains(q, "instance") {
				t.Errorf("the query sums over instances: %s", q)
			}
			for name, values := range replicas {
				var samples [][2]any
				for i, v := range values {
					samples = append(samples, [2]any{start.Unix() - 2 + int64(2*i), v})
				}
				result = append(result, map[string]any{"values": samples, "metric": map[string]string{
					"service_name": "payment", "operation": "Charge", "entry": "POST /checkout", "flow": "request", "job": "payment", "instance": name}})
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"status": "success",
			"data": map[string]any{"resultType": "matrix", "result": result}}); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	c, err := prometheus.New(srv.URL, srv.Client())
	if err != nil {
		t.Fatal(err)
	}
	ev, _, err := c.Collect(t.Context(), start, 2*time.Second, 4)
	if err != nil {
		t.Fatal(err)
	}
	if len(ev.Hops) != 1 {
		t.Fatalf("%d hops, want the three replicas as one", len(ev.Hops))
	}
	want := []float64{3, 2.5, 3, 3}
	for i, v := range ev.Hops[0].Count {
		if v != want[i] {
			t.Errorf("step %d: %v requests, want %v (all: %v)", i, v, want[i], ev.Hops[0].Count)
		}
	}
}

package counters_test

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/counters"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
)

// answer is a transport with the same response to every request.
type answer []byte

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(a))}, nil
}

// Any response is an error or evidence that can be diagnosed, without an increase that
// is negative or not a number.
func FuzzCollect(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"http_server_request_duration_seconds_count","service_name":"a",
		"operation":"GET /","entry":"GET /","flow":"request","http_request_method":"GET","http_route":"/"},"values":[[1700000000,"1"],[1700000002,"NaN"],[1700000004,"5"],[1700000006,"2"]]}]}}`))
	f.Add([]byte(`{"status":"error","error":"no"}`))
	f.Add([]byte(`{"status":"success","data":{"result":[{"metric":{"le":"x"},"value":[1,"2"]}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := prometheus.New("http://prometheus:9090", &http.Client{Transport: answer(b)})
		if err != nil {
			t.Fatal(err)
		}
		end := time.Unix(1_700_000_010, 0)
		ev, _, err := counters.Read(t.Context(), c, end.Add(-time.Minute), end, counters.Options{})
		if err != nil {
			return
		}
		for _, h := range ev.Hops {
			for _, v := range h.Count {
				if v < 0 || math.IsNaN(v) {
					t.Fatalf("growth %v", v)
				}
			}
		}
		diagnose.Diagnose(diagnose.Evidence{Metrics: ev}, diagnose.Options{}).Result()
		_, _ = counters.P95(t.Context(), c, evidence.EntrySeries{}, []result.Range{{From: ev.Start, To: end}}) // no panic
	})
}

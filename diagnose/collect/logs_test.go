package collect_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// The log lines of slow traces that ordinary ones lack are quoted, with their traces and
// without credentials.
func TestLogLinesAreQuoted(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	traces := requests(shop, now)
	slow := map[string]bool{}
	for _, tr := range traces {
		slow[tr.ID] = tr.Spans[0].Duration > 200*time.Millisecond
	}
	jaeger := jaegertest.Serve(t, traces...)
	id := regexp.MustCompile(`[0-9a-f]{16,32}`)
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var values [][2]string
		add := func(format string, args ...any) {
			values = append(values, [2]string{fmt.Sprint(now.UnixNano() + int64(len(values))), fmt.Sprintf(format, args...)})
		}
		if q := r.URL.Query().Get("query"); strings.Contains(q, "|~") {
			for i, id := range id.FindAllString(q, -1) {
				add(`{"level":"warn","message":"deprecated call","trace_id":%q}`, id)
				if slow[id] {
					add(`{"level":"error","message":"waited %d ms for postgres://shop:hunter2@db/shop","trace_id":%q}`, 300+i, id)
				}
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "streams",
			"result": []any{map[string]any{"stream": map[string]string{"service_name": "payment"}, "values": values}}}})
	}))
	defer loki.Close()
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL, Loki: loki.URL})
	if len(res.Findings) == 0 || len(res.Findings[0].Quotes) != 1 {
		t.Fatalf("%+v of %+v", res.Findings, res.Sources)
	}
	q := res.Findings[0].Quotes[0]
	if q.Source != result.QuoteLog || !strings.HasSuffix(q.Text, "ms for postgres://***@db/shop") || !slow[q.TraceID] || q.Traces < 5 {
		t.Errorf("%+v", q)
	}
}

// A Loki that does not answer costs its share of the time, and no finding.
func TestLokiThatHangs(t *testing.T) {
	shop, now := world()
	prom := promtest.Serve(t, shop.Began, now, shop.Targets()...)
	jaeger := jaegertest.Serve(t, requests(shop, now)...)
	stop := make(chan struct{})
	loki := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer loki.Close()
	defer close(stop)
	res := run(t, collect.Config{Prometheus: prom.URL, Jaeger: jaeger.URL, Loki: loki.URL, Timeout: 4 * time.Second})
	last := res.Sources[len(res.Sources)-1]
	if res.Verdict != result.Spike || last.Name != "loki" || last.OK {
		t.Errorf("%s, %+v", res.Verdict, res.Sources)
	}
}

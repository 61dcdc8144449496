package console

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tenhop/tenhop/console/servicemap"
	"github.com/tenhop/tenhop/console/traceview"
	"github.com/tenhop/tenhop/dashboards"
	"github.com/tenhop/tenhop/signals"
)

func TestLive(t *testing.T) {
	b := newBackends(t)
	b.vectors["*rate(hop_duration_seconds_count"] = series(5, "service_name=payment", "operation=tenhop.v1.Payment/Charge")
	c := newConsole(t, b, nil)
	srv := httptest.NewServer(c)
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/live", nil)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("Content-Type %q", kind)
	}
	seen := map[string]string{}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	var name string
	for len(seen) < 2 && lines.Scan() {
		if n, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			name = n
		} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			seen[name] = data
		}
	}
	var s servicemap.Snapshot
	if err := json.Unmarshal([]byte(seen["now"]), &s); err != nil || len(s.Hops) == 0 {
		t.Errorf("now = %q: %v", seen["now"], err)
	}
	if !strings.Contains(seen["drill"], `"phase":"idle"`) {
		t.Errorf("drill = %q", seen["drill"])
	}
	// The end of the console ends the stream: it must not hold a shutdown up.
	c.Close()
	for lines.Scan() {
	}
	if ctx.Err() != nil {
		t.Error("the stream outlived the console")
	}
}

func TestSearch(t *testing.T) {
	b := newBackends(t)
	c := newConsole(t, b, nil)
	found := decode[[]Found](t, do(c, "GET", "/api/traces?service=gateway&operation=POST+/checkout&minDuration=5ms&tags=region%3Deu+error%3Dtrue&lookback=15m&limit=7", ""))
	if len(found) != 2 || found[0].Slowest != "payment" || found[0].Spans != 3 || found[0].Root == 0 {
		t.Errorf("found = %+v", found)
	}
	asked, _ := url.Parse(b.asked[len(b.asked)-1])
	q := asked.Query()
	if q.Get("limit") != "7" || q.Get("minDuration") != "5ms" || q.Get("tags") != `{"error":"true","region":"eu"}` || q.Get("start") == "" {
		t.Errorf("Jaeger was asked %v", q)
	}
	// A correlation ID needs no service: all are asked, a trace is listed once.
	found = decode[[]Found](t, do(c, "GET", "/api/traces?correlation=c-1", ""))
	if len(found) != 2 {
		t.Errorf("by correlation ID: %+v", found)
	}
	for _, bad := range []string{"", "service=x&limit=0", "service=x&limit=9999", "service=x&minDuration=long", "service=x&tags=%7Bbad", "service=x&tags=nonsense", "service=x&tags=error%3Dtrue+region", "service=x&tags=%7B%22a%22:%5B%5D%7D", "service=x&lookback=-1h"} {
		if w := do(c, "GET", "/api/traces?"+bad, ""); w.Code != 400 {
			t.Errorf("%q: %d, want 400", bad, w.Code)
		}
	}
}

func TestTrace(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	v := decode[traceview.View](t, do(c, "GET", "/api/traces/aa", ""))
	if len(v.Spans) != 3 || v.Spans[2].Service != "payment" || v.Spans[2].Self != 540_000 || v.Correlation != "c-1" {
		t.Errorf("trace = %+v", v)
	}
	if w := do(c, "GET", "/api/traces/ff", ""); w.Code != 404 {
		t.Errorf("unknown trace: %d", w.Code)
	}
	if w := do(c, "GET", "/api/traces/not-a-trace", ""); w.Code != 400 {
		t.Errorf("no trace ID: %d", w.Code)
	}
	lines := decode[[]LogLine](t, do(c, "GET", "/api/traces/aa/logs?from=1795445270000000&to=1795445270500000", ""))
	want := []LogLine{
		{At: 1795445270000000, Service: "payment", Level: "error", SpanID: "p", Message: "<b>declined</b>", Fields: map[string]any{"duration_ms": 3.5, "status": "OK"}},
		{At: 1795445270500000, Service: "order", Level: "warn", SpanID: "o", Message: "request", Fields: map[string]any{"duration_ms": "7"}},
		{At: 1795445271000000, Service: "payment", Level: "info", Message: "not json", Fields: map[string]any{}},
	}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("lines = %+v", lines)
	}
	if w := do(c, "GET", "/api/traces/aa/logs", ""); w.Code != 400 {
		t.Errorf("logs without a time: %d", w.Code)
	}
}

func TestComparePages(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	got := decode[Comparison](t, do(c, "GET", "/api/compare?b=cc", ""))
	if got.A.Traces != 2 || got.A.Duration != 55_000 || got.B.Duration != 550_000 {
		t.Errorf("sides = %+v %+v", got.A, got.B)
	}
	if top := got.Rows[0]; top.Service != "payment" || top.Kind != traceview.Self || top.Delta != 495_000 {
		t.Errorf("first row = %+v", top)
	}
	same := decode[Comparison](t, do(c, "GET", "/api/compare?a=aa&b=bb", ""))
	if same.Rows[0].Delta != 0 {
		t.Errorf("equal traces differ: %+v", same.Rows[0])
	}
	if w := do(c, "GET", "/api/compare?a=aa", ""); w.Code != 400 {
		t.Errorf("one side: %d", w.Code)
	}
}

func TestDashboards(t *testing.T) {
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Dashboards = dashboards.FS })
	list := decode[[]DashboardInfo](t, do(c, "GET", "/api/dashboards", ""))
	if len(list) != 10 || list[0].UID != "tenhop-overview" || list[9].UID != "tenhop-delivery" {
		t.Errorf("dashboards = %+v", list)
	}
	d := decode[map[string]any](t, do(c, "GET", "/api/dashboards/tenhop-slo", ""))
	if d["uid"] != "tenhop-slo" || d["templating"] == nil {
		t.Error("a dashboard must be passed on whole")
	}
	if w := do(c, "GET", "/api/dashboards/nope", ""); w.Code != 404 {
		t.Errorf("unknown: %d", w.Code)
	}
	// A file that is damaged, or a copy, does not hide the others.
	mixed := newConsole(t, newBackends(t), func(cfg *Config) {
		cfg.Dashboards = fstest.MapFS{"bad.json": {Data: []byte("{")}, "a.json": {Data: []byte(`{"uid":"a","title":"A"}`)}, "copy.json": {Data: []byte(`{"uid":"a","title":"Copy"}`)}}
	})
	if w := do(mixed, "GET", "/api/dashboards", ""); w.Body.String() != `[{"uid":"a","title":"A","description":"","tags":[],"panels":0}]`+"\n" {
		t.Errorf("beside a damaged file and a copy: %d %s", w.Code, w.Body)
	}
}

func TestTags(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"":                                      {},
		`error=true region="eu west"`:           {"error": "true", "region": "eu west"},
		`{"http.status_code":503,"error":true}`: {"http.status_code": "503", "error": "true"},
		`{"order":12345678901234567}`:           {"order": "12345678901234567"},
	} {
		if got, err := parseTags(in); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestConnected(t *testing.T) {
	b := newBackends(t)
	b.vectors["*count_over_time(up"] = `{"metric":{},"value":[0,"0.5"]}`
	c := newConsole(t, b, func(cfg *Config) { cfg.Labels = signals.Labels{"service": {"component"}} })
	got := decode[Connected](t, do(c, "GET", "/api/config", ""))
	want := Connected{Prometheus: true, Jaeger: true, Loki: true, Actions: true, ScrapeSeconds: 2, Labels: map[string]signals.Names{"service": {"component"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("connected = %+v, want %+v", got, want)
	}
}

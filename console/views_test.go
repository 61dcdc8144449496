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
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tenhop/tenhop/console/traceview"
	"github.com/tenhop/tenhop/dashboards"
)

// spike lets payment slow checkout down by half a second.
func spike(b *backends) {
	entry, flow := "entry=POST /checkout", "flow=request"
	self := []string{entry, flow, "kind=self", "service_name=payment", "operation=tenhop.v1.Payment/Charge"}
	for name, v := range map[string]string{
		"rate":      series(5, "service_name=gateway", "operation=POST /checkout") + "," + series(5, "service_name=payment", "operation=tenhop.v1.Payment/Charge") + "," + series(5, "service_name=shipping", "operation=process orders.placed"),
		"failed":    series(0.1, "service_name=payment"),
		"p95":       series(0.7, "service_name=payment"),
		"self":      series(2.5, "service_name=payment", "operation=tenhop.v1.Payment/Charge"),
		"waits":     series(5, "service_name=gateway", "dependency=payment", "dependency_kind=grpc") + "," + series(5, "service_name=payment", "dependency=payment-db", "dependency_kind=database") + "," + series(5, "service_name=gateway", "dependency=loyalty", "dependency_kind=http"),
		"waited":    series(2.6, "service_name=gateway", "dependency=payment", "dependency_kind=grpc"),
		"sent":      series(5, "service_name=gateway", "messaging_destination_name=orders.placed"),
		"processed": series(5, "service_name=shipping", "messaging_destination_name=orders.placed"),
		"queued":    series(0.003, "service_name=shipping", "operation=process orders.placed"),
		"mean":      series(0.53, entry, flow),
		"baseline":  series(0.03, entry, flow),
		"entryRate": series(5, entry, flow),
		"spiking":   series(1, entry, flow),
		"added":     series(0.49, self...) + "," + series(0.02, entry, flow, "kind=link", "dependency=payment"),
		"objective": series(0.95, "slo=checkout-latency", "service_name=gateway"),
		"slo5m":     series(0.5, "slo=checkout-latency", "service_name=gateway"),
		"slo1h":     series(0.1, "slo=checkout-latency", "service_name=gateway"),
	} {
		b.vectors[questions[name]] = v
	}
	b.alerts = `[{"labels":{"alertname":"Watchdog"},"state":"firing"},{"labels":{"alertname":"SlowHop","severity":"page"},"annotations":{"summary":"payment <b>"},"state":"firing","activeAt":"2026-11-23T15:00:00Z"}]`
}

func TestMap(t *testing.T) {
	b := newBackends(t)
	spike(b)
	s := newConsole(t, b, nil).snapshot(t.Context()).(Snapshot)
	if s.Error != "" {
		t.Fatal(s.Error)
	}
	hop := func(name string) Hop {
		i := slices.IndexFunc(s.Hops, func(h Hop) bool { return h.Name == name })
		if i < 0 {
			t.Fatalf("%s is not on the map", name)
		}
		return s.Hops[i]
	}
	payment := hop("payment")
	if !payment.Hot || payment.Added != 0.49 || payment.Share < 0.97 || payment.Share > 0.99 || payment.Errors != 0.1 || *payment.Self != 0.5 {
		t.Errorf("payment = %+v", payment)
	}
	if want := "tenhop.v1.Payment/Charge: self time +490 ms, 98 % of what POST /checkout gained"; payment.Why != want {
		t.Errorf("why = %q, want %q", payment.Why, want)
	}
	if g := hop("gateway"); g.Hot {
		t.Error("the gateway only waits and is marked")
	}
	if hop("payment-db").Kind != "store" || hop("loyalty").Kind != "service" || hop("loyalty").Rate != 5 {
		t.Errorf("what only callers see: %+v %+v", hop("payment-db"), hop("loyalty"))
	}
	kafka := slices.IndexFunc(s.Edges, func(e Edge) bool { return e.Kind == "kafka" })
	if kafka < 0 || s.Edges[kafka].From != "gateway" || s.Edges[kafka].To != "shipping" || *s.Edges[kafka].Mean != 0.003 {
		t.Errorf("edges = %+v", s.Edges)
	}
	if len(s.Entries) != 1 || !s.Entries[0].Spiking || s.Entries[0].Added != 0.5 {
		t.Errorf("entries = %+v", s.Entries)
	}
	if len(s.Alerts) != 1 || s.Alerts[0].Name != "SlowHop" {
		t.Errorf("alerts = %+v", s.Alerts)
	}
	if len(s.SLOs) != 1 || s.SLOs[0].BurnFast < 1.99 || s.SLOs[0].BurnFast > 2.01 {
		t.Errorf("objectives = %+v; both windows of the fast pair must burn", s.SLOs)
	}
}

// Where the time is spent decides what is marked.
func TestHotPlaces(t *testing.T) {
	entry, flow := "entry=POST /checkout", "flow=request"
	for _, c := range []struct {
		added, node string
		edge        [2]string
	}{
		{series(0.49, entry, flow, "kind=dependency", "service_name=gateway", "dependency=loyalty"), "loyalty", [2]string{"gateway", "loyalty"}},
		{series(0.49, entry, flow, "kind=link", "dependency=payment"), "payment", [2]string{"gateway", "payment"}},
		{series(0.49, entry, flow, "kind=queue", "service_name=shipping", "operation=process orders.placed"), "shipping", [2]string{"gateway", "shipping"}},
		{series(0.49, entry, flow, "kind=dependency", "service_name=payment", "dependency=a-pool"), "payment", [2]string{}},
		{series(0.1, entry, flow, "kind=self", "service_name=payment", "operation=x"), "", [2]string{}},
		{series(0.49, entry, "flow=async", "kind=self", "service_name=payment", "operation=x"), "", [2]string{}},
	} {
		b := newBackends(t)
		spike(b)
		b.vectors[questions["added"]] = c.added
		s := newConsole(t, b, nil).snapshot(t.Context()).(Snapshot)
		var nodes []string
		for _, h := range s.Hops {
			if h.Hot {
				nodes = append(nodes, h.Name)
			}
		}
		var edges [][2]string
		for _, e := range s.Edges {
			if e.Hot {
				edges = append(edges, [2]string{e.From, e.To})
			}
		}
		if strings.Join(nodes, ",") != c.node || (len(edges) > 0) != (c.edge != [2]string{}) || len(edges) > 0 && edges[0] != c.edge {
			t.Errorf("%s\nmarked %v and %v, want %s and %v", c.added, nodes, edges, c.node, c.edge)
		}
	}
}

func TestLive(t *testing.T) {
	b := newBackends(t)
	spike(b)
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
	var s Snapshot
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
	if len(list) != 8 || list[0].UID != "tenhop-overview" {
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

// A dependency that several services wait for has the rate of all of them, even
// if the first that is asked about is idle.
func TestRateOfADependency(t *testing.T) {
	wait := func(caller, dependency string, rate float64) sample {
		return sample{map[string]string{"service_name": caller, "dependency": dependency, "dependency_kind": "database"}, rate}
	}
	m := newMap(map[string][]sample{
		"rate":  {{map[string]string{"service_name": "order", "operation": "Order/Place"}, 7}},
		"waits": {wait("order", "db", 0), wait("cart", "db", 3), wait("stock", "db", 2), wait("cart", "order", 9)},
	})
	for _, h := range m.hops() {
		if want := map[string]float64{"db": 5, "order": 7}[h.Name]; h.Rate != want {
			t.Errorf("%s has the rate %v, want %v", h.Name, h.Rate, want)
		}
	}
}

// Where targets are scraped seldom, rates are taken over long enough to exist.
func TestRateWindow(t *testing.T) {
	for _, c := range []struct {
		why, scraped string
		want         float64
		asked        string
	}{
		{"every 2 s, as the embedded Prometheus does", `{"metric":{},"value":[0,"0.5"]}`, 2, "[30s]"},
		{"every 30 s", `{"metric":{},"value":[0,"0.033333"]}`, 30, "[120s]"},
		{"every minute", `{"metric":{},"value":[0,"0.016667"]}`, 60, "[240s]"},
		{"nothing is known", ``, 0, "[30s]"},
	} {
		b := newBackends(t)
		b.vectors[scrapes] = c.scraped
		console := newConsole(t, b, nil)
		if got := decode[map[string]any](t, do(console, "GET", "/api/config", ""))["scrape_seconds"]; got != c.want {
			t.Errorf("%s: scraped every %v s, want %v", c.why, got, c.want)
		}
		console.snapshot(t.Context())
		if !slices.ContainsFunc(b.asked, func(q string) bool {
			return strings.Contains(q, url.QueryEscape("hop_duration_seconds_count"+c.asked))
		}) {
			t.Errorf("%s: no rate over %s among %q", c.why, c.asked, b.asked)
		}
	}
}

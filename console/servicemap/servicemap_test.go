package servicemap

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/prometheus"
)

// fake is a Prometheus that answers queries with canned vectors.
type fake struct {
	vectors map[string]string // query to result
	alerts  string

	mu    sync.Mutex
	asked []string // queries
}

func (p *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/alerts") {
		fmt.Fprintf(w, `{"status":"success","data":{"alerts":%s}}`, cmp.Or(p.alerts, "[]"))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.FormValue("query")
	p.asked = append(p.asked, q)
	fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, p.vectors[q])
}

// reader returns a Reader of the canned vectors.
func (p *fake) reader(t *testing.T) *Reader {
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return NewReader(func() (*prometheus.Client, error) { return prometheus.New(srv.URL, srv.Client()) }, nil, error.Error)
}

// TestResilience shows calls that are made again, and a dependency of which no call is made
// while its circuit breaker is open.
func TestResilience(t *testing.T) {
	p := spike()
	of := []string{"service_name=gateway", "dependency=loyalty"}
	for name, v := range map[string]string{
		"retries":  series(0.5, "service_name=gateway", "dependency=payment"),
		"refused":  series(4, append(of, "reason=breaker")...) + "," + series(0, append(of, "reason=bulkhead")...),
		"breakers": series(2, of...) + "," + series(0, "service_name=gateway", "dependency=payment"),
		"shed":     series(3, "service_name=gateway"),
		"waits":    series(5, "service_name=gateway", "dependency=payment", "dependency_kind=grpc") + "," + series(0, append(of, "dependency_kind=http")...) + "," + series(0, "service_name=gateway", "dependency=cart", "dependency_kind=http"),
	} {
		p.vectors[queries(nil)[name]] = v
	}
	s := p.reader(t).Snapshot(t.Context())
	edges := map[string]Edge{}
	for _, e := range s.Edges {
		edges[e.To] = e
	}
	if e := edges["payment"]; e.Retries != 0.5 || e.Refused != nil || e.Breaker != "" {
		t.Errorf("payment: %+v", e)
	}
	if e := edges["loyalty"]; e.Breaker != "open" || len(e.Refused) != 1 || e.Refused["breaker"] != 4 || e.Mean != nil {
		t.Errorf("loyalty: %+v", e)
	}
	if e, ok := edges["cart"]; ok {
		t.Errorf("nobody calls cart: %+v", e)
	}
	for _, h := range s.Hops {
		if (h.Name == "gateway") != (h.Shed == 3) {
			t.Errorf("%s sheds %g requests/s", h.Name, h.Shed)
		}
	}
}

// series returns an element of a vector with labels as name=value.
func series(value float64, labels ...string) string {
	m := map[string]string{}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		m[k] = v
	}
	b, _ := json.Marshal(m)
	return fmt.Sprintf(`{"metric":%s,"value":[1,"%g"]}`, b, value)
}

// spike returns metrics in which payment slows checkout by half a second.
func spike() *fake {
	p := &fake{vectors: map[string]string{}}
	entry, flow := "entry=POST /checkout", "flow=request"
	self := []string{entry, flow, "kind=self", "service_name=payment", "operation=tenhop.v1.Payment/Charge"}
	for name, v := range map[string]string{
		"rate":      series(5, "service_name=gateway", "operation=POST /checkout") + "," + series(5, "service_name=payment", "operation=tenhop.v1.Payment/Charge") + "," + series(5, "service_name=shipping", "operation=process orders.placed"),
		"failed":    series(0.1, "service_name=payment"),
		"p95":       series(0.7, "service_name=payment"),
		"self":      series(2.5, "service_name=payment", "operation=tenhop.v1.Payment/Charge"),
		"waits":     series(5, "service_name=gateway", "dependency=payment", "dependency_kind=grpc") + "," + series(5, "service_name=payment", "dependency=payment-db", "dependency_kind=database") + "," + series(5, "service_name=gateway", "dependency=loyalty", "dependency_kind=http"),
		"waited":    series(2.6, "service_name=gateway", "dependency=payment", "dependency_kind=grpc"),
		"sent":      series(5, "service_name=gateway", "messaging_system=kafka", "messaging_destination_name=orders.placed"),
		"processed": series(5, "service_name=shipping", "messaging_system=kafka", "messaging_destination_name=orders.placed"),
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
		p.vectors[queries(nil)[name]] = v
	}
	p.alerts = `[{"labels":{"alertname":"Watchdog"},"state":"firing"},{"labels":{"alertname":"SlowHop","severity":"page"},"annotations":{"summary":"payment <b>"},"state":"firing","activeAt":"2026-11-23T15:00:00Z"}]`
	return p
}

func TestMap(t *testing.T) {
	s := spike().reader(t).Snapshot(t.Context())
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

// An edge of a topic has the name of its broker, and the messages that wait for a consumer,
// also for one that is down and reports nothing.
func TestQueues(t *testing.T) {
	p := spike()
	for name, v := range map[string]string{
		"sent": series(4, "service_name=gateway", "messaging_system=rabbitmq", "messaging_destination_name=orders") + "," +
			series(1, "service_name=payment", "messaging_system=kafka", "messaging_destination_name=orders"),
		"processed": series(4, "service_name=shipping", "messaging_system=rabbitmq", "messaging_destination_name=orders:shipping"),
		"queued":    series(0.003, "service_name=shipping", "operation=process orders:shipping"),
		"waiting":   series(7, "messaging_destination_name=orders", "messaging_consumer_group_name=notification"),
	} {
		p.vectors[queries(nil)[name]] = v
	}
	s := p.reader(t).Snapshot(t.Context())
	var got []string
	for _, e := range s.Edges {
		if e.Topic != "" {
			got = append(got, fmt.Sprint(e.From, " ", e.To, " ", e.Kind, " ", e.Rate, " ", e.Mean != nil, " ", e.Waiting))
		}
	}
	want := []string{"gateway notification rabbitmq 0 false 7", "gateway shipping rabbitmq 4 true 0", "payment notification kafka 0 false 7"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !slices.ContainsFunc(s.Hops, func(h Hop) bool { return h.Name == "notification" && h.Kind == "service" }) {
		t.Error("the consumer that is down is not on the map")
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
		p := spike()
		p.vectors[queries(nil)["added"]] = c.added
		s := p.reader(t).Snapshot(t.Context())
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

// A dependency that several services wait for has the rate of all of them, even
// if the first that is asked about is idle.
func TestRateOfADependency(t *testing.T) {
	wait := func(caller, dependency string, rate float64) prometheus.Value {
		return prometheus.Value{Labels: map[string]string{"service_name": caller, "dependency": dependency, "dependency_kind": "database"}, Value: rate}
	}
	m := newMap(map[string][]prometheus.Value{
		"rate":  {{Labels: map[string]string{"service_name": "order", "operation": "Order/Place"}, Value: 7}},
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
		p := &fake{vectors: map[string]string{scrapes: c.scraped}, alerts: `[]`}
		r := p.reader(t)
		if got := r.ScrapeInterval(t.Context()).Seconds(); got != c.want {
			t.Errorf("%s: scraped every %v s, want %v", c.why, got, c.want)
		}
		r.Snapshot(t.Context())
		if !slices.ContainsFunc(p.asked, func(q string) bool { return strings.Contains(q, "hop_duration_seconds_count"+c.asked) }) {
			t.Errorf("%s: no rate over %s among %q", c.why, c.asked, p.asked)
		}
	}
}

// A page that is closed while the interval is measured must not leave it unknown to
// the next one.
func TestScrapeIntervalAfterCancellation(t *testing.T) {
	f := &fake{vectors: map[string]string{scrapes: series(.5)}}
	r := f.reader(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r.ScrapeInterval(gone)
	if got := r.ScrapeInterval(t.Context()); got != 2*time.Second {
		t.Errorf("scrape interval %s, want 2s", got)
	}
}

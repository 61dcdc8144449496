// Package polyglot_test runs services in Go, Python and Node with OpenTelemetry's own
// instrumentation against the embedded stack, puts faults into each of them, and asks
// tenhop for the slow hop.
package polyglot_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Durations of a round.
const (
	baseline = 80 * time.Second
	fault    = 30 * time.Second // from its start to the question; metrics from spans are 6 to 11 s late
	recovery = 40 * time.Second // with the next fault's delay, a minute of ordinary requests
	rate     = 5                // requests per second
)

// faults holds the faults by kind, with their milliseconds. A pool of one worker holds
// each of 5 requests/s for 180 ms, so that requests queue.
var faults = []round{
	{kind: "latency", ms: 200}, {kind: "query", ms: 180}, {kind: "errors"}, {kind: "pool", ms: 180},
}

var services = []string{"shop", "prices", "stock", "ledger"}

// round is a fault in a service.
type round struct {
	service, kind string
	ms            int
}

// rounds returns the faults of a run: in the short form a latency in one service, chosen
// by the seed.
func rounds(short bool, seed uint64) []round {
	var all []round
	for _, f := range faults {
		if kinds := os.Getenv("TENHOP_POLYGLOT_FAULTS"); !short && kinds != "" && !strings.Contains(kinds, f.kind) {
			continue
		}
		for _, s := range services {
			all = append(all, round{s, f.kind, f.ms})
		}
	}
	if !short {
		return all
	}
	return all[seed%uint64(len(services)) : seed%uint64(len(services))+1]
}

// TestPolyglot runs the services with spans only and, in the full form, with metrics
// over OTLP too. TENHOP_POLYGLOT=short or full runs it; TENHOP_POLYGLOT_SEED chooses the
// faults of the short form, the day of the year by default, and TENHOP_POLYGLOT_FAULTS
// those of the full form, such as "latency query".
func TestPolyglot(t *testing.T) {
	mode := os.Getenv("TENHOP_POLYGLOT")
	if mode != "short" && mode != "full" {
		t.Skip("SKIPPED: no services in Python and Node were diagnosed; set TENHOP_POLYGLOT=short or full, or run make polyglot")
	}
	seed := uint64(time.Now().YearDay())
	if n, err := strconv.ParseUint(os.Getenv("TENHOP_POLYGLOT_SEED"), 10, 64); err == nil {
		seed = n
	}
	p := build(t)
	signals := []string{"spans only", "spans and metrics"}
	if mode == "short" {
		signals = signals[seed/4%2 : seed/4%2+1]
	}
	for _, signal := range signals {
		t.Run(strings.ReplaceAll(signal, " ", "-"), func(t *testing.T) { p.run(t, signal, rounds(mode == "short", seed)) })
	}
}

func (p *programs) run(t *testing.T, signal string, rounds []round) {
	f := p.start(t, signal == "spans and metrics")
	stop := f.load(t)
	defer stop()
	time.Sleep(baseline)
	f.checkMap(t)
	f.checkMetrics(t, signal)
	var table strings.Builder
	fmt.Fprintf(&table, "%s, seconds from the fault to the answer: %.0f\n", signal, fault.Seconds())
	fmt.Fprintf(&table, "%-9s%-9s%-9s%-11s%-12s%s\n", "service", "fault", "verdict", "first hop", "kind", "right")
	for i, r := range rounds {
		f.inject(t, r)
		time.Sleep(fault)
		a := f.diagnose(t)
		f.clear(t, r)
		first := finding{}
		if len(a.Findings) > 0 {
			first = a.Findings[0]
		}
		right := first.Hop == r.service && (a.Verdict == "errors") == (r.kind == "errors") && a.Verdict != "none" && a.Verdict != "unsure"
		fmt.Fprintf(&table, "%-9s%-9s%-9s%-11s%-12s%v\n", r.service, r.kind, a.Verdict, first.Hop, first.Kind, right)
		if !right && (r.kind == "latency" || r.kind == "query") {
			t.Errorf("%s in %s: the answer is\n%s", r.kind, r.service, a.raw)
		}
		if i < len(rounds)-1 {
			time.Sleep(recovery)
		}
	}
	t.Log("\n" + table.String())
}

// answer holds the fields of diagnose --json that the test reads.
type answer struct {
	Verdict  string    `json:"verdict"`
	Findings []finding `json:"findings"`
	raw      string
}

type finding struct {
	Hop  string `json:"hop"`
	Kind string `json:"kind"`
}

func (f *fleet) diagnose(t *testing.T) (a answer) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), f.tenhop, "diagnose", "--dir", f.dir, "--json").Output()
	if err != nil {
		t.Fatalf("diagnose: %v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	a.raw = string(out)
	return a
}

// checkMap compares the console's map with the calls that the services make.
func (f *fleet) checkMap(t *testing.T) {
	t.Helper()
	var m struct {
		Hops []struct {
			Name, Kind string
			Rate       float64
		}
		Edges []struct{ From, To, Kind string }
	}
	if err := json.Unmarshal(f.event(t, "now"), &m); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, h := range m.Hops {
		got[h.Name+" "+h.Kind] = h.Rate > 0
	}
	for _, e := range m.Edges {
		got[e.From+" > "+e.To+" "+e.Kind] = true
	}
	for _, want := range []string{"shop service", "prices service", "stock service", "ledger service", "postgresql store", "mysql store", "sqlite store",
		"shop > prices http", "prices > stock http", "shop > ledger grpc", "shop > postgresql database", "ledger > postgresql database",
		"prices > mysql database", "stock > sqlite database"} {
		if !got[want] {
			t.Errorf("the map lacks %s; it has %v", want, slices.Sorted(maps.Keys(got)))
		}
	}
}

// checkMetrics looks for what counts twice, and for the rates of all services.
func (f *fleet) checkMetrics(t *testing.T, signal string) {
	t.Helper()
	for _, s := range services {
		if v := f.query(t, fmt.Sprintf(`sum(rate(hop_duration_seconds_count{service_name=%q}[30s]))`, s)); v < rate*0.7 || v > rate*1.3 {
			t.Errorf("%s: %.1f hops per second, want %d", s, v, rate)
		}
	}
	own := f.query(t, `count(count by (service_name) (http_server_request_duration_seconds_count{source=""} or http_server_duration_milliseconds_count{source=""} or rpc_server_call_duration_seconds_count{source=""}))`)
	if signal == "spans only" {
		if own != 0 {
			t.Errorf("%v services sent metrics", own)
		}
		return
	}
	if own != float64(len(services)) {
		t.Errorf("%v services have metrics of their own, want %d", own, len(services))
	}
	if v := f.query(t, `sum(rate(http_server_request_duration_seconds_count{source="spans"}[15s]))`); v > 0 {
		t.Errorf("%.1f requests per second count twice", v)
	}
}

// event returns the data of the console's next event of a name.
func (f *fleet) event(t *testing.T, name string) []byte {
	t.Helper()
	resp, err := http.Get(f.endpoints["console"] + "/api/live")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for wanted := false; lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && wanted {
			return []byte(data)
		}
		wanted = lines.Text() == "event: "+name
	}
	t.Fatalf("no event %s: %v", name, lines.Err())
	return nil
}

func (f *fleet) query(t *testing.T, expr string) float64 {
	t.Helper()
	var out struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	f.get(t, f.endpoints["prometheus"]+"/api/v1/query?query="+url.QueryEscape(expr), &out)
	if len(out.Data.Result) == 0 {
		return 0
	}
	v, err := strconv.ParseFloat(fmt.Sprint(out.Data.Result[0].Value[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (f *fleet) get(t *testing.T, u string, to any) {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		t.Fatalf("%s: %v: %.300s", u, err, body)
	}
}

func (f *fleet) inject(t *testing.T, r round) {
	t.Helper()
	file := filepath.Join(f.dir, r.service+".fault")
	if err := os.WriteFile(file+".next", fmt.Appendf(nil, "%s %d\n", r.kind, r.ms), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".next", file); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) clear(t *testing.T, r round) {
	t.Helper()
	if err := os.Remove(filepath.Join(f.dir, r.service+".fault")); err != nil {
		t.Fatal(err)
	}
}

package adapter_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

func entryHeader(entry string) string { return "hop.entry=" + entry + ",hop.start=1790000000000" }

// Only callers within the fleet name the entry, unless a program says who may.
func TestWhoNamesTheEntry(t *testing.T) {
	everyone := []hop.Option{hop.WithTrustedCallers(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))}
	nobody := []hop.Option{hop.WithTrustedCallers()}
	for _, c := range []struct {
		why       string
		opts      []hop.Option
		remote    string
		forwarded []string
		trusted   bool
	}{
		{"a private network", nil, "10.1.2.3:4711", nil, true},
		{"another", nil, "192.168.0.9:1", nil, true},
		{"the machine", nil, "127.0.0.1:4711", nil, true},
		{"the machine, IPv6", nil, "[::1]:4711", nil, true},
		{"a unique local address", nil, "[fd00::7]:4711", nil, true},
		{"a link-local address with a zone", nil, "[fe80::7%eth0]:4711", nil, true},
		{"a cloud's shared addresses", nil, "100.64.3.4:4711", nil, true},
		{"a private address, mapped", nil, "[::ffff:10.0.0.1]:4711", nil, true},
		{"a Unix socket", nil, "@", nil, true},
		{"no address", nil, "", nil, true},
		{"the internet", nil, "203.0.113.7:4711", nil, false},
		{"the internet, IPv6", nil, "[2001:db8::7]:4711", nil, false},
		{"the internet, mapped", nil, "[::ffff:203.0.113.7]:4711", nil, false},
		{"through a proxy at the edge", nil, "10.0.0.1:4711", []string{"203.0.113.7"}, false},
		{"through two proxies, a made-up first address", nil, "10.0.0.1:4711", []string{"10.9.9.9, 203.0.113.7"}, false},
		{"two headers", nil, "10.0.0.1:4711", []string{"10.9.9.9", "203.0.113.7"}, false},
		{"an unknown caller of the proxy", nil, "10.0.0.1:4711", []string{"unknown"}, false},
		{"through a gateway behind the edge", nil, "10.0.0.2:4711", []string{"203.0.113.7, 10.0.0.1"}, true},
		{"everyone may", everyone, "203.0.113.7:4711", []string{"203.0.113.8"}, true},
		{"nobody may", nobody, "10.0.0.1:4711", nil, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			header := http.Header{"Baggage": {entryHeader("made-up") + ",hop.flow=async,tenant=a"}}
			carrier := propagation.MapCarrier{"baggage": header.Get("Baggage")}
			if c.forwarded != nil {
				header["X-Forwarded-For"] = c.forwarded
				carrier["x-forwarded-for"] = strings.Join(c.forwarded, ",")
			}
			var remote net.Addr = &net.UnixAddr{Name: c.remote}
			if a, err := netip.ParseAddrPort(c.remote); err == nil {
				remote = net.TCPAddrFromAddrPort(a)
			}
			for kind, in := range map[string]adapter.Incoming{
				"HTTP":    {Operation: "GET /items", Header: header, RemoteAddr: c.remote},
				"carrier": {Operation: "GET /items", Carrier: carrier, Remote: remote},
			} {
				tel := quiet(t, c.opts...)
				ctx, h := tel.Core().Begin(context.Background(), in)
				want, flow := "GET /items", "request"
				if c.trusted {
					want, flow = "made-up", "async"
				}
				if h.Entry() != want || h.Flow() != flow {
					t.Errorf("%s: entry %q of flow %s, want %q of %s", kind, h.Entry(), h.Flow(), want, flow)
				}
				if b := adapter.Snapshot(ctx)["baggage"]; strings.Contains(b, "made-up") != c.trusted || !strings.Contains(b, "tenant=a") {
					t.Errorf("%s: the next hop gets %q", kind, b)
				}
				h.End(adapter.Outcome{})
			}
		})
	}
}

// series returns the numbers of observations per entry of a family.
func series(t *testing.T, reg *prometheus.Registry, family string) map[string]uint64 {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]uint64{}
	for _, mf := range mfs {
		if mf.GetName() != family {
			continue
		}
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "entry" {
					n[l.GetValue()] += m.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return n
}

// Trusted callers that make up entries fill the set neither for good nor at the cost of
// entries in use, and what makes room leaves the registry.
func TestMadeUpEntriesMakeRoom(t *testing.T) {
	reg, now := prometheus.NewRegistry(), time.Unix(1_790_000_000, 0)
	tel := quiet(t, hop.WithRegistry(reg), hop.WithClock(func() time.Time { return now }))
	serve := func(entry string) string {
		ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "POST /charge",
			Header: http.Header{"Baggage": {entryHeader(entry)}}})
		c := hop.StartCall(ctx, hop.Dependency{Name: "db", Kind: hop.KindDatabase})
		c.End()
		got := h.Entry()
		h.End(adapter.Outcome{Queued: true})
		return got
	}
	for range 20 {
		serve("in-use")
	}
	for i := range 3000 {
		serve(fmt.Sprintf("made-up-%d", i))
	}
	if got := serve("POST%20/checkout"); got != "POST /checkout" {
		t.Errorf("after 3,000 made-up entries a real one is %q", got)
	}
	for _, family := range []string{"hop_self_duration_seconds", "hop_duration_seconds", "hop_wait_duration_seconds", "hop_completion_duration_seconds", "hop_queue_wait_seconds"} {
		n := series(t, reg, family)
		if len(n) > 101 || n["in-use"] != 20 || n["POST /checkout"] != 1 || n["made-up-0"] != 0 && n["made-up-1"] != 0 && n["made-up-2"] != 0 {
			t.Errorf("%s: %d entries, in use %d, real %d", family, len(n), n["in-use"], n["POST /checkout"])
		}
	}
	for range 30 { // as often as the one in use, but no longer
		now = now.Add(time.Minute)
		for i := range 150 {
			serve(fmt.Sprintf("insistent-%d", i))
		}
		serve("in-use")
	}
	if n := series(t, reg, "hop_self_duration_seconds"); len(n) > 101 {
		t.Errorf("%d entries", len(n))
	}
	for range 3 {
		serve("POST%20/late")
	}
	if got := serve("POST%20/late"); got != "POST /late" {
		t.Errorf("an entry that is used after insistent ones is %q", got)
	}
}

// A hop that began before its entry made room does not bring the series back.
func TestHopOfAnEvictedEntry(t *testing.T) {
	reg := prometheus.NewRegistry()
	tel := quiet(t, hop.WithRegistry(reg))
	begin := func(entry string) *adapter.Hop {
		_, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "op", Header: http.Header{"Baggage": {entryHeader(entry)}}})
		return h
	}
	slow := begin("slow")
	for i := range 1000 {
		begin(fmt.Sprint("made-up-", i)).End(adapter.Outcome{})
	}
	slow.End(adapter.Outcome{})
	n := series(t, reg, "hop_self_duration_seconds")
	if len(n) > 101 || n["slow"] != 0 || n[adapter.Overflow] == 0 {
		t.Errorf("%d entries, slow %d, other %d", len(n), n["slow"], n[adapter.Overflow])
	}
}

// All Cores of a service and a registry share their limits.
func TestLimitsHoldForTheProcess(t *testing.T) {
	reg := prometheus.NewRegistry()
	for i := range 4 {
		tel := quiet(t, hop.WithRegistry(reg), hop.WithSeriesLimit(50))
		requests, err := tel.Core().RequestHistogram("x_duration_seconds", "X.", "entry")
		if err != nil {
			t.Fatal(err)
		}
		for j := range 60 {
			_, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "op",
				Header: http.Header{"Baggage": {entryHeader(fmt.Sprintf("e-%d-%d", i, j))}}})
			h.End(adapter.Outcome{Series: requests.With(fmt.Sprintf("r-%d-%d", i, j))})
		}
	}
	for _, family := range []string{"hop_self_duration_seconds", "x_duration_seconds"} {
		if n := len(series(t, reg, family)); n > 51 {
			t.Errorf("%s has %d series in four Cores, the limit is 50", family, n)
		}
	}
}

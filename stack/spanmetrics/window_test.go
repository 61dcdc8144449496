package spanmetrics

import (
	"strconv"
	"testing"
	"time"
)

const selfOf = "hop_self_duration_seconds{entry=GET /x,flow=request,operation=GET /x,protocol=http,service_name="

var (
	top   = sp{id: 1, service: "a", name: "GET /x", kind: server, to: 100, attrs: "http.request.method=GET http.route=/x"}
	call  = sp{id: 2, parent: 1, service: "a", name: "GET", kind: client, from: 10, to: 90, attrs: "http.request.method=GET server.address=b"}
	inner = sp{id: 3, parent: 2, service: "b", name: "GET /x", kind: server, from: 20, to: 80, attrs: "http.request.method=GET http.route=/x"}
)

func at(d time.Duration) time.Time { return epoch.Add(d) }

// TestExporterDelays holds traces until the slowest exporter has sent its spans.
func TestExporterDelays(t *testing.T) {
	p := New()
	p.Add(batch(1, inner), at(5*time.Second))
	p.Flush(at(8 * time.Second)) // its parent is missing
	p.Add(batch(1, top, call), at(9*time.Second))
	p.Flush(at(12 * time.Second))
	gather(t, p).none(t, "hop_")
	p.Flush(at(20 * time.Second))
	got := gather(t, p)
	got.want(t, selfOf+"a}", 20)
	got.want(t, selfOf+"b}", 60)
	got.want(t, "tenhop_spanmetrics_incomplete_traces_total{}", 0)

	// Exporters of this delay are known now: no longer than it, and a second.
	p.Add(batch(2, top), at(20*time.Second))
	p.Flush(at(25 * time.Second))
	if n := gather(t, p)[selfOf+"a}"].count; n != 1 {
		t.Errorf("%d requests after five seconds, want the second to be held", n)
	}
	p.Flush(at(36 * time.Second))
	if n := gather(t, p)[selfOf+"a}"].count; n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// TestFastExporters is quick when all exporters are.
func TestFastExporters(t *testing.T) {
	p := New()
	p.Add(batch(1, top, call, inner), at(200*time.Millisecond))
	p.Flush(at(2500 * time.Millisecond))
	gather(t, p).want(t, selfOf+"b}", 60)
}

func TestLateSpans(t *testing.T) {
	p := New()
	p.Add(batch(1, top, call), at(time.Second))
	p.Flush(at(4 * time.Second))
	p.Add(batch(1, inner), at(30*time.Second))
	p.Close(at(time.Minute))
	got := gather(t, p)
	got.none(t, selfOf+"b")
	got.want(t, "tenhop_spanmetrics_late_spans_total{}", 1)
	got.want(t, "http_server_request_duration_seconds{http_request_method=GET,http_route=/x,service_name=b}", 60)
}

// TestMissingTop leaves out hops whose entry is not known, until it is clear that the
// caller sends no spans.
func TestMissingTop(t *testing.T) {
	p := New()
	fromOutside := top
	fromOutside.parent = 99
	for i := range byte(3) {
		p.Add(batch(i, fromOutside, call, inner), at(time.Second))
	}
	p.Flush(at(5 * time.Second))
	gather(t, p).want(t, "tenhop_spanmetrics_held_spans{}", 9)
	p.Flush(at(20 * time.Second))
	p.Add(batch(9, fromOutside, call, inner), at(20*time.Second))
	p.Flush(at(40 * time.Second))
	got := gather(t, p)
	got.want(t, "tenhop_spanmetrics_incomplete_traces_total{}", 2) // the third is known
	got.want(t, "tenhop_spanmetrics_hops_without_entry_total{}", 4)
	if n := got[selfOf+"b}"].count; n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// TestSilentProxy has a proxy between two hops that changes the parent and sends no
// spans.
func TestSilentProxy(t *testing.T) {
	p := New()
	behind := inner
	behind.parent = 77
	for i := range byte(5) {
		p.Add(batch(i, top, call, behind), at(time.Second))
	}
	p.Close(at(time.Minute))
	got := gather(t, p)
	got.want(t, selfOf+"b}", 300)
	got.want(t, "hop_wait_duration_seconds{dependency=b,dependency_kind=http,entry=GET /x,flow=request,operation=GET /x,service_name=a}", 400)
}

func TestMaxSpans(t *testing.T) {
	p := New(WithMaxSpans(30))
	for i := range byte(20) {
		p.Add(batch(i, top, call, inner), at(time.Second))
		if p.window.spans > 30 {
			t.Fatalf("%d spans are held", p.window.spans)
		}
	}
	p.Close(at(time.Minute))
	got := gather(t, p)
	got.want(t, "tenhop_spanmetrics_evicted_traces_total{}", 10)
	got.want(t, selfOf+"b}", 20*60)
}

// TestMaxSpansMakesRoom checks that a full window is not searched again for every batch.
func TestMaxSpansMakesRoom(t *testing.T) {
	p := New(WithMaxSpans(1000))
	for i := range 501 {
		b := batch(byte(i), top, call)
		for k := range b.spans {
			b.spans[k].traceID = strconv.Itoa(i)
		}
		p.Add(b, at(time.Second))
	}
	if n := p.window.spans; n != 900 {
		t.Errorf("%d spans are held after the maximum was reached", n)
	}
}

// TestCallsWithoutAnswer attributes a call to the service that answered at the address
// before.
func TestCallsWithoutAnswer(t *testing.T) {
	p := New()
	p.Add(batch(1, top, call, inner), at(time.Second))
	p.Flush(at(5 * time.Second))
	refused := call
	refused.failed = true
	p.Add(batch(2, top, refused), at(6*time.Second))
	p.Close(at(time.Minute))
	got := gather(t, p)
	if n := got["hop_wait_duration_seconds{dependency=b,dependency_kind=http,entry=GET /x,flow=request,operation=GET /x,service_name=a}"].count; n != 2 {
		t.Errorf("%d waits for b, want 2", n)
	}
	got.want(t, "traces_service_graph_request_failed_total{client=a,connection_type=virtual_node,server=b}", 1)
}

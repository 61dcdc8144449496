package stall_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stall"
)

// service returns what is known of a service that serves GET / in 50 ms and, for an
// operation, holds requests of some ages and numbers at every scrape.
func service(length time.Duration, operation string, completed, took float64, age, active func(at time.Duration) float64) evidence.Metrics {
	start := time.Unix(1_700_000_000, 0)
	m := evidence.Metrics{Start: start, Step: step, Steps: int(length / step), Newest: start.Add(length)}
	count, own := make([]float64, m.Steps), make([]float64, m.Steps)
	for i := range count {
		count[i], own[i] = 20, 1
	}
	ended, spent := make([]float64, m.Steps), make([]float64, m.Steps)
	for i := range ended[:m.Steps/2] {
		ended[i], spent[i] = completed, completed*took
	}
	m.Entries = []evidence.EntrySeries{{Entry: result.Entry{Service: "web", Operation: "GET /"}, Count: count, Sum: own}}
	m.Hops = []evidence.HopSeries{
		{Service: "web", Operation: "GET /", Entry: "GET /", Flow: "request", Count: count, Duration: own, Self: own},
		{Service: "web", Operation: operation, Entry: operation, Flow: "request", Count: ended, Duration: spent, Self: spent}}
	h := evidence.Held{Operation: operation}
	for at := step; at <= length; at += step {
		h.Active = append(h.Active, evidence.Reading{At: start.Add(at), Value: active(at)})
		h.Oldest = append(h.Oldest, evidence.Reading{At: start.Add(at), Value: age(at)})
	}
	m.Processes = []evidence.Process{{Service: "web", Instance: "web-1", InFlight: h.Active, Held: []evidence.Held{h}}}
	return m
}

// Clients that subscribe to a stream hold a request for as long as they are there. It is
// none that hangs, also in a process that has just started.
func TestStreamsHangNot(t *testing.T) {
	began := 70 * time.Second // before the end, by when the process runs for ten seconds
	for _, known := range []struct {
		why             string
		completed, took float64
		sure            bool // may be found, but not be sure
	}{
		{"no stream has ever ended", 0, 0, true},
		{"streams that ended took minutes", 1, 200, false},
	} {
		length := 80 * time.Second
		age := func(at time.Duration) float64 { return max(at-(length-began), 0).Seconds() }
		active := func(at time.Duration) float64 {
			if at <= length-began {
				return 0
			}
			return 1 + float64((at-(length-began))/(10*time.Second))
		}
		for _, s := range stall.Find(service(length, "GET /events", known.completed, known.took, age, active)) {
			if s.Sure || !known.sure {
				t.Errorf("%s: %+v", known.why, s)
			}
		}
	}
}

// A process that was removed holds nothing any more.
func TestRemovedProcess(t *testing.T) {
	m := service(3*time.Minute, "POST /order", 2, .1,
		func(at time.Duration) float64 { return max(at-170*time.Second, 0).Seconds() },
		func(at time.Duration) float64 { return 1 + 3*float64(at/(175*time.Second)) })
	found := stall.Find(m)
	if len(found) == 0 || found[0].Kind != stall.Stuck {
		t.Fatalf("while it runs: %+v", found)
	}
	m.Newest = m.Newest.Add(40 * time.Second) // others have been read since
	if found := stall.Find(m); len(found) > 0 {
		t.Errorf("%+v", found[0])
	}
}

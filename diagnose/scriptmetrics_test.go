package diagnose_test

import (
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// metricsOf returns the evidence that the middleware would have counted for the traces: self
// times, waits, queue waits and completion by entry, requests and calls by status.
func metricsOf(traces []trace.Trace) evidence.Metrics {
	const step = 2 * time.Second
	first, last := traces[0].Spans[0].Start, traces[0].Spans[0].Start
	for _, t := range traces {
		for _, s := range t.Spans {
			if s.Start.Before(first) {
				first = s.Start
			}
			if end := s.Start.Add(s.Duration); end.After(last) {
				last = end
			}
		}
	}
	ev := evidence.Metrics{Start: first, Step: step, Steps: int(last.Sub(first)/step) + 1, Foreign: map[string]bool{}}
	m := metered{ev: &ev, at: map[[7]string][]float64{}}
	for _, t := range traces {
		m.trace(t)
	}
	m.collect()
	return ev
}

type metered struct {
	ev    *evidence.Metrics
	at    map[[7]string][]float64
	order [][7]string
	entry string // of the trace or the series at hand
}

func (m *metered) count(when time.Time, v float64, k ...string) {
	key := [7]string{}
	copy(key[:], k)
	key[6] = m.entry
	if m.at[key] == nil {
		m.at[key] = make([]float64, m.ev.Steps)
		m.order = append(m.order, key)
	}
	m.at[key][int(when.Sub(m.ev.Start)/m.ev.Step)] += v
}

func (m *metered) trace(t trace.Trace) {
	byID := map[string]trace.Span{}
	for _, s := range t.Spans {
		byID[s.ID] = s
	}
	root := t.Spans[0]
	if root.Parent != "" {
		return // the entry's span is lost
	}
	m.entry = root.Operation
	flow := func(s trace.Span) string {
		for ok := true; ok; s, ok = byID[s.Parent] {
			if s.Kind == "consumer" {
				return "async"
			}
		}
		return "request"
	}
	for _, s := range t.Spans {
		end := s.Start.Add(s.Duration)
		if s.Kind == "client" || s.Kind == "producer" {
			up := byID[s.Parent]
			kind := "grpc"
			if db := s.Attributes["db.system.name"]; db != "" {
				kind = "database"
			}
			if k := s.Attributes["dependency_kind"]; k != "" {
				kind = k
			}
			m.count(end, s.Duration.Seconds(), "wait", s.Service, up.Operation, flow(s), s.Peer(), kind)
			m.count(end, 1, "called", s.Service, s.Operation, s.Peer())
			if s.Failed {
				m.count(end, 1, "callfailed", s.Service, s.Operation, s.Peer())
			}
			continue
		}
		if s.Kind == "internal" {
			continue // not a hop
		}
		var waits []trace.Span
		for _, c := range t.Spans {
			if c.Parent == s.ID && (c.Kind == "client" || c.Kind == "producer") {
				waits = append(waits, c)
			}
		}
		self := trace.NewTree(&trace.Trace{Spans: append([]trace.Span{s}, waits...)}).Self(0)
		m.count(end, self.Seconds(), "self", s.Service, s.Operation, flow(s))
		m.count(end, s.Duration.Seconds(), "duration", s.Service, s.Operation, flow(s))
		m.count(end, 1, "count", s.Service, s.Operation, flow(s))
		if s.Failed {
			m.count(end, 1, "failed", s.Service, s.Operation, flow(s))
		}
		if s.Kind == "consumer" {
			produced := byID[s.Parent]
			m.count(end, s.Start.Sub(produced.Start.Add(produced.Duration)).Seconds(), "queue", s.Service, s.Operation)
			m.count(end, end.Sub(root.Start).Seconds(), "completion", s.Service, s.Operation)
			m.count(end, 1, "completed", s.Service, s.Operation)
		}
	}
}

func (m *metered) get(k ...string) []float64 {
	key := [7]string{}
	copy(key[:], k)
	key[6] = m.entry
	if v := m.at[key]; v != nil {
		return v
	}
	return make([]float64, m.ev.Steps)
}

func (m *metered) collect() {
	for _, k := range m.order {
		m.entry = k[6]
		switch k[0] {
		case "count":
			h := evidence.HopSeries{Service: k[1], Operation: k[2], Entry: m.entry, Flow: k[3],
				Count: m.at[k], Self: m.get("self", k[1], k[2], k[3]), Duration: m.get("duration", k[1], k[2], k[3])}
			m.ev.Hops = append(m.ev.Hops, h)
			m.ev.Calls = append(m.ev.Calls, evidence.CallSeries{Service: k[1], Operation: k[2], Count: m.at[k], Failed: m.get("failed", k[1], k[2], k[3])})
			if k[2] == m.entry {
				m.ev.Entries = slices.Insert(m.ev.Entries, 0, evidence.EntrySeries{Entry: result.Entry{Service: k[1], Operation: k[2]}, Sum: h.Duration, Count: h.Count})
			}
		case "called":
			m.ev.Calls = append(m.ev.Calls, evidence.CallSeries{Service: k[1], Operation: k[2], Dependency: k[3], Count: m.at[k],
				Failed: m.get("callfailed", k[1], k[2], k[3])})
		case "wait":
			m.ev.Waits = append(m.ev.Waits, evidence.WaitSeries{Service: k[1], Operation: k[2], Entry: m.entry, Flow: k[3],
				Dependency: k[4], Kind: k[5], Sum: m.at[k]})
		case "queue":
			m.ev.Queues = append(m.ev.Queues, evidence.QueueSeries{Service: k[1], Operation: k[2], Entry: m.entry, Sum: m.at[k]})
		case "completed":
			m.ev.Entries = append(m.ev.Entries, evidence.EntrySeries{Sum: m.get("completion", k[1], k[2]), Count: m.at[k],
				Entry: result.Entry{Service: "gateway", Operation: m.entry, Flow: "async", Consumer: &result.Consumer{Service: k[1], Operation: strings.Clone(k[2])}}})
		}
	}
}

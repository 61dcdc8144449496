package mcp

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/tenhop/tenhop/trace"
)

// WhichRequests selects one trace, or the recent traces that begin with an operation.
type WhichRequests struct {
	TraceID   string `json:"trace_id,omitempty" jsonschema:"one trace; recent traces if empty"`
	Service   string `json:"service,omitempty" jsonschema:"service at which the requests begin"`
	Operation string `json:"operation,omitempty" jsonschema:"operation with which the requests begin"`
	Since     string `json:"since,omitempty" jsonschema:"how far back to look, such as 1h; 15m if empty"`
}

// SelfTimes holds the own time of each operation, as a mean per trace.
type SelfTimes struct {
	Traces     int       `json:"traces"`
	DurationMS float64   `json:"duration_ms" jsonschema:"of the topmost span, mean"`
	Rows       []OwnTime `json:"rows" jsonschema:"own time on the critical path first"`

	MoreRows       int     `json:"more_rows,omitempty" jsonschema:"rows that did not fit"`
	MoreCriticalMS float64 `json:"more_critical_ms,omitempty"`
	MoreSelfMS     float64 `json:"more_self_ms,omitempty"`
}

// OwnTime is the own time of one operation, as a mean per trace.
type OwnTime struct {
	Service    string  `json:"service"`
	Operation  string  `json:"operation"`
	Kind       string  `json:"kind,omitempty"`
	Peer       string  `json:"peer,omitempty" jsonschema:"that the calls name"`
	Spans      float64 `json:"spans"`
	Failed     float64 `json:"failed,omitempty"`
	SelfMS     float64 `json:"self_ms"`
	CriticalMS float64 `json:"critical_ms" jsonschema:"own time on the critical path"`
	Share      float64 `json:"share" jsonschema:"critical_ms as a fraction of the duration"`
}

// recentTraces is the number of traces of which a mean is taken.
const recentTraces = 20

func (t tools) selfTimes(ctx context.Context, in WhichRequests) (SelfTimes, error) {
	switch {
	case in.TraceID != "" && (in.Service != "" || in.Operation != ""):
		return SelfTimes{}, errors.New("give trace_id, or service and operation")
	case in.TraceID != "":
		tr, err := t.byID(ctx, in.TraceID)
		if err != nil {
			return SelfTimes{}, err
		}
		return ownTimes([]trace.Trace{*tr}), nil
	case in.Service == "":
		return SelfTimes{}, errors.New("give trace_id, or service and operation at which the requests begin, such as the entry of diagnose")
	}
	j, err := t.tracer()
	if err != nil {
		return SelfTimes{}, err
	}
	since, err := period(in.Since, defaultLookback, maxSince)
	if err != nil {
		return SelfTimes{}, err
	}
	q := last(since)
	q.Service, q.Operation, q.Limit = in.Service, in.Operation, recentTraces
	found, err := j.Traces(ctx, q)
	if err != nil {
		return SelfTimes{}, err
	}
	found = slices.DeleteFunc(found, func(tr trace.Trace) bool {
		root := tr.Root()
		return root == nil || root.Service != in.Service || in.Operation != "" && root.Operation != in.Operation
	})
	if len(found) == 0 {
		return SelfTimes{}, errors.New("no recent trace begins with this service and operation")
	}
	return ownTimes(found), nil
}

// ownTimes returns the mean own times of traces.
func ownTimes(traces []trace.Trace) SelfTimes {
	type key struct{ service, operation, kind, peer string }
	n := float64(len(traces))
	out := SelfTimes{Traces: len(traces), Rows: []OwnTime{}}
	index := map[key]int{}
	var tree trace.Tree
	for k := range traces {
		t := &tree
		t.Load(&traces[k])
		if top := topmost(t); top != trace.None {
			out.DurationMS += inMS(t.Took(top)) / n
		}
		row := func(i int) *OwnTime {
			s := t.Span(i)
			at := key{s.Service, s.Operation, string(s.Kind), s.Peer()}
			r, ok := index[at]
			if !ok {
				r = len(out.Rows)
				index[at] = r
				out.Rows = append(out.Rows, OwnTime{Service: at.service, Operation: at.operation, Kind: at.kind, Peer: at.peer})
			}
			return &out.Rows[r]
		}
		for _, i := range t.Order() {
			r := row(i)
			r.Spans += 1 / n
			r.SelfMS += inMS(t.Self(i)) / n
			if t.Span(i).Failed {
				r.Failed += 1 / n
			}
		}
		for _, s := range t.CriticalPaths() {
			row(s.Span).CriticalMS += inMS(s.Took()) / n
		}
	}
	if out.DurationMS > 0 {
		for i := range out.Rows {
			out.Rows[i].Share = out.Rows[i].CriticalMS / out.DurationMS
		}
	}
	slices.SortStableFunc(out.Rows, func(a, b OwnTime) int {
		return cmp.Or(cmp.Compare(b.CriticalMS, a.CriticalMS), cmp.Compare(b.SelfMS, a.SelfMS))
	})
	out.keep(keptRows)
	return out
}

// keep leaves the first n rows and adds the others to the sums.
func (s *SelfTimes) keep(n int) {
	for _, r := range s.Rows[min(n, len(s.Rows)):] {
		s.MoreRows++
		s.MoreCriticalMS += r.CriticalMS
		s.MoreSelfMS += r.SelfMS
	}
	s.Rows = s.Rows[:min(n, len(s.Rows))]
}

func (s *SelfTimes) shorten(bool) bool {
	if len(s.Rows) <= leastRows {
		return false
	}
	s.keep(len(s.Rows) - 1)
	return true
}

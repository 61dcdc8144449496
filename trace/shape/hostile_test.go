package shape_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/shape"
)

// Hostile traces take seconds at most.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("builds large traces")
	}
	origin := time.Unix(1_700_000_000, 0)
	const n = 20_000
	type made = func(i int) trace.Span
	sp := func(i, parent int, service string, kind trace.Kind, from, took time.Duration) trace.Span {
		s := trace.Span{ID: fmt.Sprint(i), Service: service, Operation: "op", Kind: kind, Start: origin.Add(from), Duration: took, Attributes: map[string]string{}}
		if parent >= 0 {
			s.Parent = fmt.Sprint(parent)
		}
		return s
	}
	us := time.Microsecond
	for name, make := range map[string]made{
		"cycle":        func(i int) trace.Span { return sp(i, (i+1)%n, "a", trace.Server, 0, time.Second) },
		"self parents": func(i int) trace.Span { return sp(i, i, "a", trace.Client, 0, time.Second) },
		"chain of calls": func(i int) trace.Span {
			return sp(i, i-1, "a", trace.Client, time.Duration(i)*us, time.Duration(2*n-2*i)*us)
		},
		"chain of hops": func(i int) trace.Span {
			return sp(i, i-1, fmt.Sprint("s", i), trace.Server, time.Duration(i)*us, time.Duration(2*n-2*i)*us)
		},
		"wide":            func(i int) trace.Span { return sp(i, min(0, i-1), "a", trace.Client, time.Duration(i)*10*us, 10*us) },
		"wide, all alike": func(i int) trace.Span { return sp(i, min(0, i-1), "b", trace.Server, 0, time.Second) },
		"levels of two calls": func(i int) trace.Span { // internal, call, call, internal below the second …
			l := i / 3
			from, took := time.Duration(l)*3*us, time.Duration(2*n-6*l)*us
			switch i % 3 {
			case 0:
				return sp(i, i-1, "a", trace.Internal, from, took)
			case 1:
				return sp(i, i-1, "a", trace.Client, from, us)
			}
			return sp(i, i-2, "a", trace.Client, from+us, took-us)
		},
		"skewed": func(i int) trace.Span {
			return sp(i, (i-1)/2, fmt.Sprint("s", i%7), []trace.Kind{trace.Client, trace.Server}[i%2], time.Duration(i%5-2)*365*24*time.Hour, time.Duration(i%11-3)*time.Hour)
		},
	} {
		tr := &trace.Trace{ID: "t"}
		for i := range n {
			tr.Spans = append(tr.Spans, make(i))
		}
		if name == "skewed" {
			tr.Spans[0].Parent = ""
		}
		began := time.Now()
		s := shape.Of(tr)
		took := time.Since(began)
		t.Logf("%s: %s, %d calls, %d sequential", name, took.Round(time.Millisecond), s.Calls, len(s.Sequential))
		if took > 30*time.Second {
			t.Errorf("%s: %s", name, took)
		}
	}
}

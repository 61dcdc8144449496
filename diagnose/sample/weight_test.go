package sample_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

func TestWeight(t *testing.T) {
	attribute := func(kv ...string) trace.Span {
		a := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			a[kv[i]] = kv[i+1]
		}
		return trace.Span{Attributes: a}
	}
	for _, c := range []struct {
		span trace.Span
		want float64
		why  string
	}{
		{trace.Span{}, 1, "nothing is recorded"},
		{trace.Span{TraceState: "ot=th:0"}, 1, "everything is kept"},
		{trace.Span{TraceState: "ot=th:8"}, 2, "trailing zeros are omitted"},
		{trace.Span{TraceState: "vendor=x, ot=rv:1234;th:fd70a3d70a3d71"}, 100, "1 %, among other members and fields"},
		{trace.Span{TraceState: "ot=p:3;r:5"}, 8, "the older exponent"},
		{trace.Span{TraceState: "ot=th:zz"}, 1, "no number"},
		{trace.Span{TraceState: "vendor=th:8"}, 1, "the field of another vendor"},
		{attribute("sampler.type", "probabilistic", "sampler.param", "0.05"), 20, "Jaeger's sampler"},
		{attribute("sampler.type", "const", "sampler.param", "1"), 1, "Jaeger's sampler that keeps everything"},
		{attribute("sampler.type", "ratelimiting", "sampler.param", "0.1"), 1, "a rate is no probability"},
		{attribute("SampleRate", "10"), 10, "Honeycomb's rate is one in ten"},
		{attribute("X-SampleRatio", "0.25"), 4, "what Tempo's metrics generator reads"},
		{attribute("sampling.probability", "0"), 1, "a trace that exists has no probability of zero"},
	} {
		if got := sample.Weight(&c.span); math.Abs(got-c.want) > 1e-6*c.want {
			t.Errorf("%+v: weight %v, want %v: %s", c.span, got, c.want, c.why)
		}
	}
}

// Slow requests that are all sampled do not raise the mean, if the others stand for ten
// each.
func TestWeightedMean(t *testing.T) {
	s := sample.New()
	began := time.Unix(1_700_000_000, 0)
	for i := range 400 {
		span := trace.Span{ID: "1", Service: "edge", Operation: "GET /", Kind: trace.Server, Start: began.Add(time.Duration(i) * 100 * time.Millisecond)}
		span.Duration, span.TraceState = 10*time.Millisecond, "ot=th:e6666666666666"
		if i%10 == 0 { // slow, one of 91 requests
			span.Duration, span.TraceState = time.Second, ""
		}
		s.Add(trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{span}})
	}
	m := s.Series()
	sum, count := 0.0, 0.0
	for i := range m.Steps {
		sum, count = sum+m.Entries[0].Sum[i], count+m.Entries[0].Count[i]
	}
	want := (1 + 90*.01) / 91
	if got := sum / count; math.Abs(got-want) > .001 {
		t.Errorf("mean %.4f s, want %.4f", got, want)
	}
	if count < 300 || count > 400 {
		t.Errorf("%.0f effective requests of 400 traces", count)
	}
}

// Traces say by which policy they were kept.
func TestChosen(t *testing.T) {
	s := sample.New()
	for i, policy := range []string{"", "errors", "slow-requests", "probabilistic-1", "always"} {
		s.Add(trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{{ID: "1", Service: "edge", Operation: "GET /", Kind: trace.Server,
			Start: time.Unix(1_700_000_000, 0), Attributes: map[string]string{"tailsampling.policy": policy}}}})
	}
	if s.Chosen() != 2 {
		t.Errorf("%d traces chosen, want those of errors and slow requests", s.Chosen())
	}
}

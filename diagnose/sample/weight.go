package sample

import (
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// maxWeight bounds the number of requests that one trace stands for.
const maxWeight = 1e6

// ratios lists the attributes that hold the probability with which a trace was
// sampled: that of OpenTelemetry's early drafts, and the one from which Tempo's metrics
// generator takes its multiplier.
var ratios = [...]string{"sampling.probability", "sampling_probability", "X-SampleRatio"}

// Weight returns the number of requests that a trace stands for, by the sampling
// probability recorded in the span of its entry: the threshold of OpenTelemetry's
// tracestate (ot=th:…), the exponent of its predecessor (ot=p:…), Jaeger's
// sampler.param, Honeycomb's SampleRate, or a ratio. It is 1 if none is recorded.
func Weight(s *trace.Span) float64 {
	if p, ok := stateProbability(s.TraceState); ok {
		return inverse(p)
	}
	if s.Attribute("sampler.type") == "probabilistic" {
		if p, err := strconv.ParseFloat(s.Attribute("sampler.param"), 64); err == nil {
			return inverse(p)
		}
	}
	if n, err := strconv.ParseFloat(s.Attribute("SampleRate"), 64); err == nil && n >= 1 {
		return min(n, maxWeight)
	}
	for _, k := range ratios {
		if p, err := strconv.ParseFloat(s.Attribute(k), 64); err == nil {
			return inverse(p)
		}
	}
	return 1
}

func inverse(p float64) float64 {
	if !(p > 0 && p <= 1) {
		return 1
	}
	return min(1/p, maxWeight)
}

// stateProbability returns the sampling probability in a W3C tracestate. A threshold
// has up to 14 hexadecimal digits, with trailing zeros omitted; a trace is kept if its
// random value is at least as large.
func stateProbability(state string) (p float64, ok bool) {
	for member := range strings.SplitSeq(state, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(member), "=")
		if key != "ot" {
			continue
		}
		for field := range strings.SplitSeq(value, ";") {
			switch name, v, _ := strings.Cut(field, ":"); name {
			case "th":
				const digits = 14
				if len(v) == 0 || len(v) > digits {
					return 0, false
				}
				n, err := strconv.ParseUint(v+strings.Repeat("0", digits-len(v)), 16, 64)
				return 1 - float64(n)/(1<<56), err == nil
			case "p":
				n, err := strconv.Atoi(v)
				if err != nil || n < 0 || n > 62 {
					return 0, false
				}
				return 1 / float64(uint64(1)<<n), true
			}
		}
	}
	return 0, false
}

// tailSampled reports whether the span of an entry records that its trace was chosen
// after it had ended, by a policy that may depend on its duration or its errors.
func tailSampled(s *trace.Span) bool {
	for _, k := range [...]string{"tailsampling.policy", "tailsampling.composite_policy"} {
		if policy := s.Attribute(k); policy != "" && !strings.Contains(policy, "probabilistic") && !strings.Contains(policy, "always") {
			return true
		}
	}
	return false
}

package knee

import "slices"

// outcome is the result of load at one rate.
type outcome struct {
	rate     float64 // requests/s that were due
	held     bool    // within the limits
	p99      float64 // ms
	failed   float64 // fraction of requests
	requests int
	usage    usage
}

// search finds the highest rate that a storefront holds. It starts at a rate from which
// a run that fails steps down, and one that holds steps up, by factor. A rate fails if it
// fails twice in succession, since another program may have disturbed the first run.
// Rates above most are not tried.
func search(start, factor, most float64, run func(rate float64) outcome) (knee outcome, tried []outcome) {
	confirmed := func(rate float64) outcome {
		var o outcome
		for range 2 {
			if o = run(rate); o.held {
				break
			}
		}
		tried = append(tried, o)
		return o
	}
	first := confirmed(start)
	if !first.held {
		for rate := start / factor; rate >= 1; rate /= factor {
			if o := confirmed(rate); o.held {
				return o, tried
			}
		}
		return outcome{}, tried
	}
	knee = first
	for rate := start * factor; rate <= most; rate *= factor {
		o := confirmed(rate)
		if !o.held {
			break
		}
		knee = o
	}
	return knee, tried
}

// median returns the median of values, the lower one of two; 0 without values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return s[(len(s)-1)/2]
}

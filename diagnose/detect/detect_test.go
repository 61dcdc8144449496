package detect_test

import (
	"math"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// The mean of an entry that is at its baseline is not that of a spike which is over.
func TestCalmMean(t *testing.T) {
	const steps, step = 150, 2 * time.Second
	m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: steps}
	e := evidence.EntrySeries{Entry: result.Entry{Operation: "GET /"}, Sum: make([]float64, steps), Count: make([]float64, steps)}
	for i := range steps {
		mean := .02
		if i >= 90 && i < 110 {
			mean = 2
		}
		e.Count[i], e.Sum[i] = 10, 10*mean
	}
	l := detect.OfLatency(m, e, detect.Baseline{})
	if l.Raised || len(l.Past) == 0 || math.Abs(l.NowMean()-.02) > .001 || math.Abs(l.BaselineMean()-.02) > .001 {
		t.Errorf("raised %v, %d steps of a spike, mean %.3f s, baseline %.3f s; want .02 s", l.Raised, len(l.Past), l.NowMean(), l.BaselineMean())
	}
}

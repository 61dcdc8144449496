package detect_test

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/detect"
	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
)

// failing returns an entry of which a part of the requests fails from one step up to
// another.
func failing(steps int, step time.Duration, from, to int) (evidence.Metrics, evidence.EntrySeries) {
	m := evidence.Metrics{Start: time.Unix(1_700_000_000, 0), Step: step, Steps: steps}
	e := evidence.EntrySeries{Entry: result.Entry{Service: "edge", Operation: "GET /"}}
	c := evidence.CallSeries{Service: "edge", Operation: "GET /"}
	for i := range steps {
		failed := 0.0
		if i >= from && i < to {
			failed = 12
		}
		e.Sum, e.Count = append(e.Sum, 1), append(e.Count, 40)
		c.Count, c.Failed = append(c.Count, 40), append(c.Failed, failed)
	}
	m.Calls = []evidence.CallSeries{c}
	return m, e
}

func TestOfFailures(t *testing.T) {
	for _, c := range []struct {
		why         string
		step        time.Duration
		from, to    int
		rose, doubt bool
	}{
		{"ordinary", 2 * time.Second, 0, 0, false, false},
		{"five steps", 2 * time.Second, 95, 100, true, false},
		{"two short steps are a burst", 2 * time.Second, 98, 100, false, true},
		{"two long steps are a level", 15 * time.Second, 98, 100, true, false},
		{"one long step may begin one", 15 * time.Second, 99, 100, false, true},
		{"over for two short steps, which is not sure", 2 * time.Second, 80, 98, true, false},
		{"over for ten steps", 2 * time.Second, 70, 90, false, false},
	} {
		m, e := failing(100, c.step, c.from, c.to)
		if f := detect.OfFailures(m, e, detect.Baseline{}); f.Rose != c.rose || f.Doubt != c.doubt {
			t.Errorf("%s: rose %v, doubt %v; want %v, %v", c.why, f.Rose, f.Doubt, c.rose, c.doubt)
		}
	}
}

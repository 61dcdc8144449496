package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Metrics that are older than two scrapes are no evidence for none, and their age is told
// whatever the verdict.
func TestAge(t *testing.T) {
	for _, age := range []time.Duration{0, 4 * time.Second, 7 * time.Second, 16 * time.Second, time.Minute} {
		for _, slow := range []float64{0, .5} {
			ev := newWorld().build(func(int) float64 { return 10 }, map[string]func(int) float64{"payment": from(130, slow)})
			ev.Newest = ev.At(ev.Steps)
			res := diagnose.Diagnose(diagnose.Evidence{Metrics: ev, Now: ev.Newest.Add(age)}, diagnose.Options{}).Result()
			said := strings.Contains(res.Why+strings.Join(res.Warnings, ""), "s old")
			old := age > 2*ev.Step+time.Second
			if want := map[bool]string{true: result.Spike, false: result.None}[slow > 0]; !old && res.Verdict != want || old && slow == 0 && res.Verdict != result.Unsure || old != said {
				t.Errorf("age %s, +%.1f s: %s (%s), %v", age, slow, res.Verdict, res.Why, res.Warnings)
			}
		}
	}
}

package sample_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// One clock that is a year off does not stretch the series, whichever the direction. Two
// recordings a week apart are two recordings.
func TestMisdated(t *testing.T) {
	for _, c := range []struct {
		name  string
		shift func(i int) time.Duration
		want  int
	}{
		{"a year ahead", func(i int) time.Duration {
			if i == 7 {
				return 365 * 24 * time.Hour
			}
			return 0
		}, 1},
		{"at the epoch", func(i int) time.Duration {
			if i == 7 {
				return -50 * 365 * 24 * time.Hour
			}
			return 0
		}, 1},
		{"two recordings", func(i int) time.Duration { return time.Duration(i/30) * 7 * 24 * time.Hour }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sample.New()
			for i := range 60 {
				s.Add(trace.Trace{ID: fmt.Sprint(i), Spans: []trace.Span{{ID: "1", Service: "edge", Operation: "GET /", Kind: trace.Server,
					Start: time.Unix(1_790_000_000, 0).Add(time.Duration(i)*time.Second + c.shift(i)), Duration: time.Millisecond}}})
			}
			m := s.Series()
			if s.Misdated() != c.want {
				t.Errorf("%d left out, want %d", s.Misdated(), c.want)
			}
			if c.want > 0 && (m.Step != 2*time.Second || m.Steps > 32) {
				t.Errorf("%d steps of %s", m.Steps, m.Step)
			}
		})
	}
}

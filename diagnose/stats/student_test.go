package stats_test

import (
	"math"
	"testing"

	"github.com/tenhop/tenhop/diagnose/stats"
)

// The values are those of printed tables.
func TestStudentT(t *testing.T) {
	for _, c := range []struct {
		p    float64
		df   int
		want float64
	}{
		{.05, 1, 6.314}, {.05, 2, 2.920}, {.05, 3, 2.353}, {.05, 4, 2.132}, {.01, 5, 3.365}, {.005, 7, 3.499},
		{.0005, 10, 4.587}, {.025, 30, 2.042}, {.001, 9, 4.297}, {.0005, 2, 31.599},
	} {
		if got := stats.StudentT(c.p, c.df); math.Abs(got-c.want) > .001 {
			t.Errorf("t(%v, %d) = %.4f, want %v", c.p, c.df, got, c.want)
		}
	}
}

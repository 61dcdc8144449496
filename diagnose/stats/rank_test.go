package stats

import (
	"math"
	"testing"
)

// Against values worked out by hand and by counting all orders.
func TestMannWhitney(t *testing.T) {
	for _, c := range []struct {
		name      string
		base, now []float64
		want      float64
	}{
		{"all above: one order of C(5,2)", []float64{1, 2, 3}, []float64{4, 5}, 1. / 10},
		{"all below", []float64{4, 5}, []float64{1, 2, 3}, 1},
		{"in between: U of 4 or more of 6, in 4 of 10 orders", []float64{1, 2, 4}, []float64{3, 5}, 2. / 10},
		{"nothing to compare", nil, []float64{1}, 1},
	} {
		if got := MannWhitney(c.base, c.now); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: p = %v, want %v", c.name, got, c.want)
		}
	}
}

// The far tail must not drown in rounding: one order, and two, of C(120,20).
func TestExactUFarTail(t *testing.T) {
	one := math.Exp(-LogChoose(120, 20))
	for u, want := range map[int]float64{2000: one, 1999: 2 * one, 1998: 4 * one, 0: 1} {
		if got := exactU(100, 20, u); math.Abs(got/want-1) > 1e-9 {
			t.Errorf("U %d: %v, want %v", u, got, want)
		}
	}
}

// The exact distribution and the normal one must agree where both hold.
func TestExactUAgainstNormal(t *testing.T) {
	n, m := 40, 20
	for _, u := range []int{400, 450, 500, 550} {
		sd := math.Sqrt(float64(n*m*(n+m+1)) / 12)
		normal := math.Erfc((float64(u)-float64(n*m)/2-.5)/sd/math.Sqrt2) / 2
		if exact := exactU(n, m, u); math.Abs(exact-normal) > .002 {
			t.Errorf("U %d: exact %v, normal %v", u, exact, normal)
		}
	}
}

func TestCountTests(t *testing.T) {
	for _, c := range []struct {
		name  string
		least []float64
		want  float64
	}{
		{"none", nil, 1},
		{"all could pass: Bonferroni", []float64{1e-9, 1e-9, 1e-9}, 3},
		{"those that cannot pass are not counted", []float64{1e-9, 1e-9, .5, .5, .5, .5}, 2},
	} {
		if got := CountTests(c.least, .005); got != c.want {
			t.Errorf("%s: %v tests, want %v", c.name, got, c.want)
		}
	}
}

package detect

import (
	"math"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/stats"
)

// Tail is the result of looking for a minority of an entry's requests that is slower than
// before: a tail, one kind of request, or phases.
type Tail struct {
	evidence.Change
	Sure, Doubt bool
	Over        bool              // it was sure and has surely ended
	Border      float64           // seconds; the minority takes longer
	Requests    float64           // from the first slow one on
	Slow        float64           // of these, beyond those that are always slow
	Usual       float64           // share of requests that took longer before
	Phases      []evidence.Window // with slow requests, if calm ones lie between them
	Resumed     int               // index of the first of the phases since it was last over; 0 if it was not
}

// Of returns the numbers of slow requests, beyond those that are always slow, and of all
// requests in a window.
func (t Tail) Of(w evidence.Window) (slow, requests float64) {
	b := t.Entry.Buckets
	i := slices.Index(b.Bounds, t.Border)
	if i < 0 {
		return 0, 0
	}
	requests = w.Sum(b.Counts[len(b.Counts)-1])
	return w.Sum(b.Above(i)) - t.Usual*requests, requests
}

// Few reports whether a window has too few slow requests for a tail of its own.
func (t Tail) Few(w evidence.Window) bool {
	slow, _ := t.Of(w)
	return slow < minTailSlow
}

// Share returns the share of slow requests.
func (t Tail) Share() float64 { return t.Slow / math.Max(t.Requests, 1) }

// Thresholds of a tail. They were set on simulated fleets, whose quiet hours have
// heavy-tailed delays, and not on recordings.
const (
	sureTail     = 1e-6 // p, corrected for the borders and lengths that were tried
	doubtTail    = 1e-4
	minTailShare = .004 // of the requests
	minTailSlow  = 4    // requests
	minTailRatio = 3    // of the shares beyond the border, now and before
	maxTailUsual = .2   // share of requests beyond the border before
	bodyMoved    = 2.5  // growth at lower borders, as a multiple of the minority, of another shape
	minTailBase  = 100  // requests before
	silentTail   = 5.   // slow requests that are missing when it is over
	calmTail     = 15 * time.Second
)

// tailLengths are the lengths of time within which slow requests are counted.
var tailLengths = []time.Duration{16 * time.Second, 40 * time.Second, 90 * time.Second, 3 * time.Minute}

// OfTail looks for a minority of slow requests in the buckets of an entry. The distribution
// of now is taken for a mixture of that of before and of slower requests (McLachlan and Peel
// 2000): mass has moved from everywhere to beyond a border. The number beyond a border is
// compared with that of before by Fisher's exact test, with both divided by their index of
// dispersion, because slow requests come in bursts.
//
// What was sure some steps ago stays sure until no slow request has come for so long that it
// is no chance.
func OfTail(m evidence.Metrics, e evidence.EntrySeries) Tail {
	t := Tail{Change: evidence.Change{Entry: e}}
	if e.Buckets == nil || len(e.Buckets.Bounds) < 2 {
		return t
	}
	first, last := traffic(e.Buckets.Counts[len(e.Buckets.Counts)-1])
	p, border, from := smallest(m, e, first, last)
	sure := p < sureTail
	for back := 1; back <= tailBack && !sure; back++ {
		if was, itsBorder, itsFrom := smallest(m, e, first, last-back); was < sureTail {
			p, border, from, sure = was, itsBorder, itsFrom, true
		}
	}
	if p > doubtTail {
		return t
	}
	// After a long pause it is another incident, which must be sure by itself.
	if began := resumed(m, e.Buckets, from, last, border); began > from {
		if again := chance(e.Buckets, evidence.Steps(first, from), evidence.Steps(began, last), border) * borders(e.Buckets); again > doubtTail {
			last = began
			for last > from && e.Buckets.Above(border)[last-1] == 0 {
				last--
			}
			t.describe(m, evidence.Steps(first, from), from, last, border)
			t.Sure, t.Over = sure, true
			return t
		} else if again > sureTail {
			sure = false
		}
		t.describe(m, evidence.Steps(first, from), began, last, border)
		t.Sure, t.Doubt = sure, !sure
		return t
	}
	t.describe(m, nil, from, last, border)
	t.Sure, t.Doubt = sure, !sure
	return t
}

// maxPause is the longest time without slow requests between two phases of one incident. It
// was set on simulated phases of 5 s in every 15 s, and on one recording of the storefront
// with two incidents 106 s apart.
const maxPause = time.Minute

// resumed returns the first of the steps [from, last) with slow requests after the last
// pause that is longer than maxPause, or from.
func resumed(m evidence.Metrics, b *evidence.Buckets, from, last, border int) int {
	above, slow := b.Above(border), -1
	for i := from; i < last; i++ {
		if above[i] == 0 {
			continue
		}
		if slow >= 0 && time.Duration(i-slow)*m.Step > maxPause {
			from = i
		}
		slow = i
	}
	return from
}

// borders returns the number of borders that are tried.
func borders(b *evidence.Buckets) float64 { return float64(len(b.Bounds) - 1) }

// tailBack is the number of steps for which a tail that was sure is looked for.
const tailBack = 15

// smallest returns the smallest p of the borders and lengths of time before a step,
// corrected for their number, with the border and the first step of the time.
// Borders at which nobody would notice a request that takes so long are left out.
func smallest(m evidence.Metrics, e evidence.EntrySeries, first, last int) (p float64, border, from int) {
	b := e.Buckets
	all := b.Counts[len(b.Counts)-1]
	best, tried := 1.0, 0
	for _, length := range tailLengths {
		k := max(int(length/m.Step), atLeast(m))
		earlier, _ := b.Earlier(0)
		if time.Duration(last-k-first)*m.Step < time.Minute || evidence.Steps(first, last-k).Sum(all)+earlier < minTailBase {
			continue
		}
		usual := evidence.Steps(first, last-k).Mean(e.Sum, e.Count)
		for i := range len(b.Bounds) - 1 {
			if !stats.Matters(b.Bounds[i], usual) {
				continue
			}
			tried++
			if p := chance(b, evidence.Steps(first, last-k), evidence.Steps(last-k, last), i); p < best {
				best, border, from = p, i, last-k
			}
		}
	}
	return best * math.Max(float64(tried), 1), border, from
}

// describe sets the numbers and windows of a tail beyond a border, in the steps [from, last).
// If base is nil, it is all steps before the first slow request of these.
func (t *Tail) describe(m evidence.Metrics, base evidence.Window, from, last, border int) {
	b := t.Entry.Buckets
	all, above := b.Counts[len(b.Counts)-1], b.Above(border)
	for from < last && above[from] == 0 {
		from++
	}
	end := last
	for end > from && above[end-1] == 0 {
		end--
	}
	t.Border = b.Bounds[border]
	if base == nil {
		first, _ := traffic(all)
		base = evidence.Steps(first, from)
	}
	earlier, slowEarlier := b.Earlier(border)
	t.Usual = (base.Sum(above) + slowEarlier) / (base.Sum(all) + earlier)
	if back := t.usualAgain(m, above, all, from, last); back < end {
		end, t.Over = back, true
	}
	t.Requests = evidence.Steps(from, end).Sum(all)
	t.Slow = evidence.Steps(from, end).Sum(above) - t.Usual*t.Requests
	t.Baseline = m.Known(base[:max(len(base)-1, 0)])
	phases := phasesOf(above, all, from, end, t.Share())
	var now evidence.Window
	for _, p := range phases {
		now = append(now, evidence.Steps(max(p[0]-1, 0), p[len(p)-1]+1)...)
	}
	slices.Sort(now)
	t.Now = m.Known(slices.Compact(now))
	over := func(calm evidence.Window) bool {
		return time.Duration(len(calm))*m.Step >= calmTail && calm.Sum(all)*t.Share() >= silentTail
	}
	if n := len(phases); n > 1 {
		t.Phases = phases
		for i := n - 1; i > 0 && t.Resumed == 0; i-- {
			before := phases[i-1]
			if over(evidence.Steps(before[len(before)-1]+1, phases[i][0])) {
				t.Resumed = i
			}
		}
	}
	t.Over = t.Over || over(evidence.Steps(end, last))
}

// usualAgain returns the first step of [from, last) from which on so few requests are slow that
// it is no chance, or last. Where some always are, an end is no time without any.
func (t *Tail) usualAgain(m evidence.Metrics, above, all []float64, from, last int) int {
	best, at := math.Exp(-silentTail), last
	if t.Usual*evidence.Steps(from, last).Sum(all) < 1 {
		return at
	}
	for i := last - int(calmTail/m.Step); i > from; i-- {
		slow, calm := evidence.Steps(from, i), evidence.Steps(i, last)
		share := slow.Sum(above) / math.Max(slow.Sum(all), 1)
		still, expected := calm.Sum(above), t.Usual*calm.Sum(all)
		if still > expected+2*math.Sqrt(expected+1) || share < minTailRatio*t.Usual {
			continue
		}
		if p := stats.FewerThan(still, share*calm.Sum(all)); p < best {
			best, at = p, i
		}
	}
	return at
}

// chance returns the probability that as many of the requests of the steps of now are beyond
// a border by chance, given those of before and of the time before the first step. It is 1
// if they are no minority that is slower.
func chance(b *evidence.Buckets, before, now evidence.Window, border int) float64 {
	all, above := b.Counts[len(b.Counts)-1], b.Above(border)
	n, y := before.Sum(all), before.Sum(above)
	k, x := now.Sum(all), now.Sum(above)
	if k == 0 || n == 0 {
		return 1
	}
	usual := y / n
	slow := x - usual*k
	if slow < minTailSlow || slow/k < minTailShare || x/k < minTailRatio*usual || usual > maxTailUsual {
		return 1
	}
	// A minority moves as many requests across each lower border.
	for i := range border {
		lower := b.Above(i)
		p := before.Sum(lower) / n
		moved := now.Sum(lower) - p*k
		if p < .9 && moved > bodyMoved*slow*(1-p)+2*math.Sqrt(p*(1-p)*k) {
			return 1
		}
	}
	bursts := dispersion(above, all, before, len(now))
	test := func(y, n float64) float64 {
		return stats.Fisher(int(x/bursts), int(k/bursts), int(math.Ceil(y/bursts)), int(n/bursts))
	}
	p := test(y, n)
	if earlier, slower := b.Earlier(border); earlier > 0 {
		p = math.Min(p, test(y+slower, n+earlier))
	}
	return p
}

// Usual reports whether the growth of an entry's mean is that of a few slow requests whose
// number is usual. The mean of a heavy-tailed distribution leaves its level by chance.
func Usual(m evidence.Metrics, c evidence.Change) bool {
	b := c.Entry.Buckets
	if b == nil || len(b.Bounds) < 2 {
		return false
	}
	all := b.Counts[len(b.Counts)-1]
	n, k := c.Baseline.Sum(all), c.Now.Sum(all)
	grew := c.Added() * c.Now.Sum(c.Entry.Count)
	for i := range len(b.Bounds) - 1 {
		above := b.Above(i)
		y, x := c.Baseline.Sum(above), c.Now.Sum(above)
		earlier, slower := b.Earlier(i)
		if n == 0 || x == 0 || y/n > maxTailUsual || x/k > minority {
			continue
		}
		least := 0.0 // seconds that the slow requests took
		for j := i; j < len(b.Bounds)-1; j++ {
			least += b.Bounds[j] * (c.Now.Sum(b.Counts[j+1]) - c.Now.Sum(b.Counts[j]))
		}
		if least < tailPart*grew {
			break
		}
		bursts := dispersion(above, all, c.Baseline, len(c.Now))
		if stats.Fisher(int(math.Ceil(x/bursts)), int(math.Ceil(k/bursts)), int((y+slower)/bursts), int((n+earlier)/bursts)) > usualTail {
			return true
		}
	}
	return false
}

// Thresholds of Usual.
const (
	tailPart  = .5   // of the growth
	minority  = .5   // of the requests
	usualTail = 1e-3 // p
)

// dispersion returns the index of dispersion of the slow requests in the steps of a window,
// in blocks of a fifth of a length and of two steps, at least 1.
func dispersion(above, all []float64, steps evidence.Window, length int) float64 {
	out := 1.0
	usual := steps.Mean(above, all)
	for _, size := range []int{2, max(length/5, 2), max(length, 2)} {
		sum, blocks := 0.0, 0.0
		for i := 0; i+size <= len(steps); i += size {
			n, x := steps[i:i+size].Sum(all), steps[i:i+size].Sum(above)
			if n*usual > 0 {
				sum, blocks = sum+(x-n*usual)*(x-n*usual)/(n*usual), blocks+1
			}
		}
		if blocks > 1 {
			out = math.Max(out, sum/(blocks-1))
		}
	}
	return out
}

// phasesOf returns the steps with slow requests, divided where so many requests were not
// slow that it is no chance.
func phasesOf(above, all []float64, from, end int, share float64) []evidence.Window {
	var out []evidence.Window
	last := -1
	missed := 0.0
	for i := from; i < end; i++ {
		if above[i] == 0 {
			missed += all[i] * share
			continue
		}
		if last < 0 || missed >= silentTail {
			out = append(out, nil)
			last = i - 1
		}
		out[len(out)-1] = append(out[len(out)-1], evidence.Steps(last+1, i+1)...)
		last, missed = i, 0
	}
	return out
}

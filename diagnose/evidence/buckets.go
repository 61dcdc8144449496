package evidence

// Buckets holds the histogram of an entry's durations. Bounds are upper bounds in seconds,
// ascending; the last is infinite.
type Buckets struct {
	Bounds []float64
	Counts [][]float64 // requests up to each bound, by bound and step; steps as in LevelCount
	Before []float64   // requests up to each bound in the time before the first step; nil if unknown
}

// Above returns the requests beyond a bound, by step.
func (b *Buckets) Above(bound int) []float64 {
	all := b.Counts[len(b.Counts)-1]
	out := make([]float64, len(all))
	for i, n := range all {
		out[i] = max(n-b.Counts[bound][i], 0)
	}
	return out
}

// Earlier returns the requests before the first step: all, and those beyond a bound.
func (b *Buckets) Earlier(bound int) (all, above float64) {
	if len(b.Before) != len(b.Bounds) {
		return 0, 0
	}
	all = b.Before[len(b.Before)-1]
	return all, max(all-b.Before[bound], 0)
}

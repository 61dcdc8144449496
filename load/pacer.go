package load

import (
	"math"
	"math/rand/v2"
	"time"
)

// Pacer says when requests are due: a Poisson process, since shoppers do not
// wait for each other. It knows no clock and does no I/O; the zero value asks
// for nothing.
type Pacer struct {
	Rate float64 // requests a second

	rng *rand.Rand
	at  time.Duration
}

// NewPacer makes a pacer whose sequence depends on the seed alone.
func NewPacer(rate float64, seed uint64) *Pacer {
	return &Pacer{Rate: rate, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

// Next returns when the next request is due, since the start.
func (p *Pacer) Next() time.Duration {
	if p.Rate <= 0 || p.rng == nil {
		return math.MaxInt64
	}
	gap := p.rng.ExpFloat64() / p.Rate * float64(time.Second)
	if gap >= float64(math.MaxInt64-p.at) { // hundreds of years
		p.at = math.MaxInt64
		return p.at
	}
	p.at += time.Duration(gap)
	return p.at
}

package load

import (
	"math"
	"math/rand/v2"
	"time"
)

// Pacer returns the times at which requests are due. It is a Poisson process, because
// shoppers do not wait for each other. It has no clock and does no I/O. The zero value
// yields no requests.
type Pacer struct {
	Rate float64 // requests/s

	rng *rand.Rand
	at  time.Duration
}

// NewPacer returns a Pacer whose sequence depends on the seed alone.
func NewPacer(rate float64, seed uint64) *Pacer {
	return &Pacer{Rate: rate, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

// Next returns the time since the start at which the next request is due.
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

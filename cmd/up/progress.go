package main

import (
	"fmt"
	"time"
)

// progress estimates how long a build takes.
type progress struct {
	pending     map[string]int64 // bytes by package
	packages    int
	done, total int64 // bytes
	began       time.Time
}

func newProgress(pending map[string]int64, now time.Time) *progress {
	p := &progress{pending: map[string]int64{}, packages: len(pending), began: now}
	for name, size := range pending {
		p.pending[name] = size
		p.total += size
	}
	return p
}

// compiled counts a package. It reports whether the line is the name of one.
func (p *progress) compiled(line string) bool {
	size, ok := p.pending[line]
	delete(p.pending, line)
	p.done += size
	return ok
}

// at returns the state in a line. Less than a tenth says nothing about the rest.
func (p *progress) at(now time.Time) string {
	took := now.Sub(p.began).Round(time.Second)
	text := fmt.Sprintf("%s: %d of %d packages", took, p.packages-len(p.pending), p.packages)
	if p.done*10 < p.total {
		return text
	}
	if len(p.pending) == 0 {
		return text + ", linking"
	}
	left := time.Duration(float64(took) * float64(p.total-p.done) / float64(p.done))
	return text + ", about " + left.Round(10*time.Second).String() + " left"
}

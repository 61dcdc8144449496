package sample

import (
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// EndBaseline sets the requests added so far aside as those of an ordinary time.
// Those added later are compared with them after Join.
func (s *Sample) EndBaseline() {
	s.before, s.entries = s.entries, map[entryKey]steps{}
}

// Join puts the baseline that EndBaseline set aside in front of the requests added
// since. A baseline that is not wholly earlier, such as one recorded after the
// incident, is moved: shift is added to its times. Join returns the times of the
// baseline as joined.
func (s *Sample) Join() (baseline result.Range, shift time.Duration) {
	s.dropMisdated(s.before)
	s.dropMisdated(s.entries)
	first, last := bounds(s.before)
	now, _ := bounds(s.entries)
	by := int64(0)
	if last >= now {
		by = now - 1 - last
	}
	for k, earlier := range s.before {
		p := s.entries[k]
		if p == nil {
			p = steps{}
			s.entries[k] = p
		}
		for at, c := range earlier {
			p[at+by] = c
		}
	}
	s.before = nil
	at := func(step int64) time.Time { return time.Unix(0, step*int64(s.step)).UTC() }
	return result.Range{From: at(first + by), To: at(last + by + 1)}, time.Duration(by) * s.step
}

// bounds returns the first and the last step of entries; last is smaller without
// any.
func bounds(entries map[entryKey]steps) (first, last int64) {
	first, last = 0, -1
	for _, p := range entries {
		for at := range p {
			if last < first {
				first, last = at, at
			}
			first, last = min(first, at), max(last, at)
		}
	}
	return first, last
}

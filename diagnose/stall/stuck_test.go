package stall_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/evidence"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/stall"
)

// chain simulates services that call one another in turn. From the onset on, a share of
// the requests takes longer at one of them: it takes `longer`, if that is shorter than the
// deadline, at which its caller gives up.
type chain struct {
	rate, share  float64
	longer       float64
	services, at int
	apart        time.Duration // between the scrapes of a service and of the one that it calls
	unread       bool          // the last service does not report what it handles
}

const (
	step     = 2 * time.Second
	deadline = 10.0
	onset    = 3 * time.Minute
)

// metrics returns what is known some time after the onset.
func (c chain) metrics(seed uint64, after time.Duration) evidence.Metrics {
	rng := rand.New(rand.NewPCG(seed, 3))
	start := time.Unix(1_700_000_000, 0)
	end := onset + after
	m := evidence.Metrics{Start: start, Step: step, Steps: int(end / step), Newest: start.Add(end)}
	type span struct{ from, to float64 }
	visits := make([][]span, c.services)
	for t := 0.0; t < end.Seconds(); t += rng.ExpFloat64() / c.rate {
		slow := 0.0
		if t >= onset.Seconds() && rng.Float64() < c.share {
			slow = min(c.longer, deadline)
		}
		for i := range c.services {
			took := .02 * float64(c.services-i)
			if rng.Float64() < .005 {
				took += 2 // an ordinary slow request
			}
			if i <= c.at {
				took += slow
			}
			visits[i] = append(visits[i], span{t, t + took})
		}
	}
	entry := result.Entry{Service: "s0", Operation: "op0"}
	for i := range c.services {
		h := evidence.Held{Operation: fmt.Sprintf("op%d", i)}
		for at := step - time.Duration(i)*c.apart; at <= end; at += step {
			now, n, oldest := at.Seconds(), 0.0, 0.0
			for _, v := range visits[i] {
				if v.from <= now && now < v.to {
					n, oldest = n+1, max(oldest, now-v.from)
				}
			}
			h.Active = append(h.Active, evidence.Reading{At: start.Add(at), Value: n})
			h.Oldest = append(h.Oldest, evidence.Reading{At: start.Add(at), Value: oldest})
		}
		name := fmt.Sprintf("s%d", i)
		if !c.unread || i+1 < c.services {
			m.Processes = append(m.Processes, evidence.Process{Service: name, Instance: name + "-1", InFlight: h.Active, Held: []evidence.Held{h}})
		}
		count := make([]float64, m.Steps)
		for k := range count {
			for _, v := range visits[i] {
				if int(v.to/step.Seconds()) == k {
					count[k]++
				}
			}
		}
		m.Hops = append(m.Hops, evidence.HopSeries{Service: name, Operation: h.Operation, Entry: "op0", Flow: "request", Count: count})
		if i == 0 {
			m.Entries = []evidence.EntrySeries{{Entry: entry, Count: count, Sum: count}}
		}
		if i+1 < c.services {
			m.Waits = append(m.Waits, evidence.WaitSeries{Service: name, Dependency: fmt.Sprintf("s%d", i+1), Kind: "http", Flow: "request", Entry: "op0"})
		}
	}
	return m
}

// A part of the requests hangs, too few for the completions to show it: the hop that holds
// them is named within three scrapes of the first that is held for as long as no ordinary one.
func TestSomeHang(t *testing.T) {
	for seed := range uint64(12) {
		c := chain{rate: 1 + float64(seed%4), share: .4, longer: 3600, services: 4, at: int(seed % 4), apart: time.Duration(seed%3) * 950 * time.Millisecond}
		named := time.Duration(0)
		for after := 4 * time.Second; after <= 24*time.Second; after += 2 * time.Second {
			found := stall.Find(c.metrics(seed, after))
			right := len(found) > 0 && found[0].Hop == fmt.Sprintf("s%d", c.at) && found[0].Sure
			if right && named == 0 {
				named = after
			}
			if len(found) > 0 && found[0].Hop != fmt.Sprintf("s%d", c.at) {
				t.Errorf("seed %d, %s after: %+v, want s%d", seed, after, found[0], c.at)
			}
		}
		if named == 0 || named > 16*time.Second {
			t.Errorf("seed %d, %.0f requests/s: named after %s", seed, c.rate, named)
		}
	}
}

// Where a callee does not report what it handles, its caller cannot be sure to be the one that
// holds requests.
func TestUnreadCallee(t *testing.T) {
	for seed := range uint64(6) {
		for at := range 4 {
			c := chain{rate: 4, share: .5, longer: 3600, services: 4, at: at, unread: true}
			for after := 4 * time.Second; after <= 24*time.Second; after += 2 * time.Second {
				for _, s := range stall.Find(c.metrics(seed, after)) {
					if right := s.Hop == fmt.Sprintf("s%d", at); s.Sure && !right {
						t.Errorf("seed %d, held by s%d, %s after: %+v", seed, at, after, s)
					}
				}
			}
		}
	}
}

// Requests that end are not held, however slow: their latency tells of them.
func TestSlowIsNoHang(t *testing.T) {
	for seed := range uint64(12) {
		c := chain{rate: 1 + 3*float64(seed%4), share: .1, longer: 2, services: 4, at: int(seed % 4)}
		for after := 4 * time.Second; after <= 40*time.Second; after += 4 * time.Second {
			if found := stall.Find(c.metrics(seed, after)); len(found) > 0 {
				t.Errorf("seed %d, %s after: %+v", seed, after, found[0])
			}
		}
	}
}

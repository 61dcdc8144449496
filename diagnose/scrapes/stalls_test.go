package scrapes_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/scrapes"
	"github.com/tenhop/tenhop/query/prometheus/promtest"
)

// serveProcesses starts the back end of a fleet whose processes may be stopped or killed.
// They are scraped only while they answer, and Prometheus says so.
func serveProcesses(t testing.TB, f *scrapes.Fleet, seed uint64, every time.Duration, until time.Time) *world {
	return serveAnswers(t, f, seed, every, until, func(service string, at time.Time) (bool, float64) { return f.Scrape(service, at, every) })
}

// serveAnswers is serveProcesses with a function that tells whether a scrape is answered,
// and how long it takes in seconds.
func serveAnswers(t testing.TB, f *scrapes.Fleet, seed uint64, every time.Duration, until time.Time, scrape func(service string, at time.Time) (bool, float64)) *world {
	w := &world{fleet: f}
	rng := rand.New(rand.NewPCG(seed, 7))
	targets := map[string]*promtest.Target{}
	var names []string
	for _, s := range f.Counters(until) {
		target := targets[s.Service]
		if target == nil {
			target = &promtest.Target{Job: s.Service, Instance: s.Service + ":1", Every: every, Phase: time.Duration(rng.Float64() * float64(every))}
			targets[s.Service] = target
			names = append(names, s.Service)
			series := func(name string, value func(up bool, took float64, at time.Time) float64) {
				target.Counters = append(target.Counters, promtest.Counter{Name: name, Labels: map[string]string{}, At: func(at time.Time) float64 {
					up, took := scrape(s.Service, at)
					return value(up, took, at)
				}})
			}
			series("up", func(up bool, _ float64, _ time.Time) float64 {
				if up {
					return 1
				}
				return 0
			})
			series("scrape_duration_seconds", func(_ bool, took float64, _ time.Time) float64 { return took })
			series("process_start_time_seconds", func(up bool, _ float64, at time.Time) float64 {
				if !up {
					return nan
				}
				return float64(f.Started(s.Service, at).Unix())
			})
		}
		target.Counters = append(target.Counters, promtest.Counter{Name: s.Name, Labels: s.Labels, At: func(at time.Time) float64 {
			if up, _ := scrape(s.Service, at); !up {
				return nan
			}
			if began := f.Started(s.Service, at); began.After(f.Began) && !strings.HasSuffix(s.Name, "_requests") {
				return s.At(at) - s.At(began)
			}
			return s.At(at)
		}})
	}
	var all []promtest.Target
	for _, n := range names {
		all = append(all, *targets[n])
	}
	w.prom = promtest.Serve(t, f.Began, until, all...)
	return w
}

// only returns the spans of one hop's service.
func only(f *scrapes.Fleet, hop int, spans []scrapes.Span) func(int) []scrapes.Span {
	return func(i int) []scrapes.Span {
		if f.Service(i) != f.Service(hop) {
			return nil
		}
		return spans
	}
}

func describe(res result.Result) string {
	first := "nothing"
	if len(res.Findings) > 0 {
		x := res.Findings[0]
		first = fmt.Sprintf("%s %s %s (%s)", x.Hop, x.Kind, x.Target, x.Evidence)
	}
	return fmt.Sprintf("%s: %s; %s", res.Verdict, first, res.Why)
}

// Requests hang at a hop whose process is stopped: that is said within three scrapes, and
// nothing else is, until they return. The hop is any but the edge.
func TestHang(t *testing.T) {
	for seed := range uint64(8) {
		every := []time.Duration{2 * time.Second, 5 * time.Second}[seed%2]
		f := scrapes.New(seed+20, began, 12, 0)
		rng := rand.New(rand.NewPCG(seed, 21))
		onset := began.Add(6*time.Minute + time.Duration(rng.Float64()*30e9))
		hop := 1 + rng.IntN(5)
		f.Faults.Stopped = only(f, hop, []scrapes.Span{{From: onset, To: onset.Add(time.Hour)}})
		w := serveProcesses(t, f, seed, every, onset.Add(40*time.Second))
		named := time.Duration(0)
		for after := time.Second; after <= 40*time.Second; after += 3 * time.Second {
			res := w.ask(t, onset.Add(after))
			right := len(res.Findings) > 0 && res.Findings[0].Hop == f.Service(hop) && strings.Contains(res.Findings[0].Evidence, "hang")
			t.Logf("seed %d every %s %s after: %s, want %s", seed, every, after, describe(res), f.Service(hop))
			if right && res.Verdict != result.Unsure && named == 0 {
				named = after
			}
			if named > 0 && (!right || res.Verdict == result.Unsure) {
				t.Errorf("seed %d: %s after the onset: %s; %s was named before", seed, after, describe(res), f.Service(hop))
			}
			if after >= 3*every && res.Verdict == result.None {
				t.Errorf("seed %d: none %s after the onset", seed, after)
			}
		}
		if named == 0 || named > 3*every+3*time.Second {
			t.Errorf("seed %d: scrapes every %s, named after %s", seed, every, named)
		}
	}
}

// A process that is killed every few seconds is named as such before the requests of
// customers fail, and a single restart is no verdict.
func TestRestarts(t *testing.T) {
	for seed := range uint64(6) {
		f := scrapes.New(seed+40, began, 12, 0)
		rng := rand.New(rand.NewPCG(seed, 22))
		onset := began.Add(6*time.Minute + time.Duration(rng.Float64()*30e9))
		hop := 1 + rng.IntN(5)
		period := time.Duration(6+rng.IntN(6)) * time.Second
		var spans []scrapes.Span
		for i := range 6 {
			at := onset.Add(time.Duration(i) * period)
			spans = append(spans, scrapes.Span{From: at, To: at.Add(time.Duration(.5+rng.Float64()) * time.Second)})
		}
		f.Faults.Killed = only(f, hop, spans)
		w := serveProcesses(t, f, seed, 2*time.Second, onset.Add(40*time.Second))
		for after := time.Duration(0); after <= 40*time.Second; after += 4 * time.Second {
			res := w.ask(t, onset.Add(after))
			t.Logf("seed %d period %s %s after: %s, want %s", seed, period, after, describe(res), f.Service(hop))
			if sure := res.Verdict == result.Spike || res.Verdict == result.Errors; sure && after < period {
				t.Errorf("seed %d: %s at %s, after one restart", seed, res.Verdict, after)
			}
			if after < period+6*time.Second { // two restarts and a scrape
				continue
			}
			if res.Verdict != result.Errors || res.Findings[0].Hop != f.Service(hop) || !strings.Contains(res.Findings[0].Evidence, "again and again") {
				t.Errorf("seed %d: %s after: %s", seed, after, describe(res))
			}
		}
	}
}

// A process that is stopped at times delays its links as much as its work. The answer is
// the process, and neither a link nor the innocent other end.
func TestStarved(t *testing.T) {
	for seed := range uint64(6) {
		f := scrapes.New(seed+60, began, 12, 0)
		rng := rand.New(rand.NewPCG(seed, 23))
		onset := began.Add(6*time.Minute + time.Duration(rng.Float64()*30e9))
		hop := 1 + rng.IntN(5)
		period := time.Duration(500+rng.IntN(700)) * time.Millisecond
		stop := time.Duration((.35 + .3*rng.Float64()) * float64(period))
		var spans []scrapes.Span
		for at := onset; at.Before(onset.Add(time.Minute)); at = at.Add(period) {
			spans = append(spans, scrapes.Span{From: at, To: at.Add(stop)})
		}
		f.Faults.Stopped = only(f, hop, spans)
		w := serveProcesses(t, f, seed, 2*time.Second, onset.Add(42*time.Second))
		for after := 6 * time.Second; after <= 42*time.Second; after += 6 * time.Second {
			res := w.ask(t, onset.Add(after))
			t.Logf("seed %d: %s of %s, %s after: %s, want %s", seed, stop, period, after, describe(res), f.Service(hop))
			right := len(res.Findings) > 0 && res.Findings[0].Hop == f.Service(hop)
			// Until a scrape has met a stop, the links are all that is known.
			spike := res.Verdict == result.Spike
			said := right && spike && strings.Contains(res.Findings[0].Evidence, "frozen or starved")
			if spike && !right || after >= 18*time.Second && !said {
				t.Errorf("seed %d: %s after: %s, want %s", seed, after, describe(res), f.Service(hop))
			}
		}
	}
}

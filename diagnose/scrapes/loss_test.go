package scrapes_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/scrapes"
	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

// loss is a kind of missing or wrong evidence.
type loss struct {
	name      string
	damage    scrapes.Damage
	sampled   float64 // 1 if zero
	restarted bool    // a service beside the slow one restarts after the onset
	missing   bool    // a scrape of the slow service fails after the onset
	metrics   bool    // with metrics only: nothing of it is in traces
}

var losses = []loss{
	{name: "nothing"},
	{name: "30 % of spans lost", damage: scrapes.Damage{Lost: .3}},
	{name: "clocks ±500 ms", damage: scrapes.Damage{Skew: 500 * time.Millisecond}},
	{name: "1 % sampling", sampled: .01},
	{name: "20 % of spans duplicated", damage: scrapes.Damage{Duplicated: .2}},
	{name: "20 % of spans 20 s late", damage: scrapes.Damage{Late: .2, LateBy: 20 * time.Second}},
	{name: "all of these", sampled: .3, damage: scrapes.Damage{Lost: .3, Skew: 500 * time.Millisecond, Duplicated: .2, Late: .2, LateBy: 20 * time.Second}},
	{name: "a service restarted", restarted: true},
	{name: "a missing scrape", missing: true, metrics: true},
}

const (
	lossEvery = 5 * time.Second // between scrapes
	lossAfter = time.Minute     // from the onset to the question
)

// answers counts the diagnoses of a row.
type answers struct{ right, unsure, wrong int }

func (a answers) String() string { return fmt.Sprintf("%d / %d / %d", a.right, a.unsure, a.wrong) }

// diagnose asks one fleet, with or without a slow hop, and counts the answer. A wrong
// answer is a spike that begins with another hop or has no cause, or none under a fault.
func (l loss) diagnose(t *testing.T, seed uint64, metrics, fault bool) (a answers) {
	sampled := l.sampled
	if sampled == 0 {
		sampled = 1
	}
	f := scrapes.New(seed, began, 20, sampled)
	rng := rand.New(rand.NewPCG(seed, 31))
	onset := began.Add(lead(lossEvery) + time.Duration(rng.Float64()*float64(time.Minute)))
	slow := 1 + rng.IntN(5)
	if fault {
		f.Onset, f.Slow, f.Added = onset, slow, .2
	}
	if l.restarted {
		f.Faults.Killed = only(f, 1+slow%5, []scrapes.Span{{From: onset.Add(20 * time.Second), To: onset.Add(22 * time.Second)}})
	}
	at := onset.Add(lossAfter)
	w := &world{fleet: f}
	if metrics {
		missing := onset.Add(30 * time.Second)
		w = serveAnswers(t, f, seed, lossEvery, at, func(service string, at time.Time) (bool, float64) {
			if l.missing && service == f.Service(slow) && !at.Before(missing) && at.Before(missing.Add(lossEvery)) {
				return false, lossEvery.Seconds()
			}
			return f.Scrape(service, at, lossEvery)
		})
	}
	w.jaeger = jaegertest.ServeFunc(t, func(from, to time.Time) []trace.Trace {
		w.mu.Lock()
		defer w.mu.Unlock()
		if from.Before(w.now.Add(-time.Hour)) {
			from = w.now.Add(-time.Minute)
		}
		return l.damage.Apply(f.Traces(from, to, w.now), w.now)
	})
	defer w.stop()
	res := w.ask(t, at)
	findings := res.Findings
	if l.restarted && len(findings) > 1 && findings[0].Hop == f.Service(1+slow%5) { // a second fault, which comes first because calls failed
		findings = findings[1:]
	}
	named := res.Verdict == result.Spike && len(findings) > 0 && findings[0].Hop == f.Service(slow) && findings[0].Kind == result.KindSelf
	switch {
	case res.Verdict == result.Unsure:
		a.unsure++
	case fault && named, !fault && res.Verdict == result.None:
		a.right++
	default:
		a.wrong++
	}
	if a.right == 0 {
		var all []string
		for _, x := range res.Findings {
			all = append(all, fmt.Sprintf("%s %s %s %.0f ms %s", x.Hop, x.Kind, x.Target, x.AddedMS, x.Evidence))
		}
		t.Logf("metrics %v, fault %v, seed %d: %s %s, want %s; %s", metrics, fault, seed, res.Verdict, res.Why, f.Service(slow), strings.Join(all, "; "))
	}
	return a
}

// lossTable measures seeds fleets per cell.
func lossTable(t *testing.T, seeds uint64) (table string, wrong int) {
	var b strings.Builder
	fmt.Fprintf(&b, "| %d fleets, right / unsure / wrong | slow hop, traces | slow hop, traces and metrics | no fault, traces | no fault, traces and metrics |\n|---|--:|--:|--:|--:|\n", seeds)
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) {
			var cells [4]string
			for i, c := range []struct{ metrics, fault bool }{{false, true}, {true, true}, {false, false}, {true, false}} {
				if l.metrics && !c.metrics {
					cells[i] = "–"
					continue
				}
				var sum answers
				for seed := range seeds {
					a := l.diagnose(t, 100+seed, c.metrics, c.fault)
					sum = answers{sum.right + a.right, sum.unsure + a.unsure, sum.wrong + a.wrong}
				}
				wrong += sum.wrong
				cells[i] = sum.String()
			}
			fmt.Fprintf(&b, "| %s | %s |\n", l.name, strings.Join(cells[:], " | "))
		})
	}
	return b.String(), wrong
}

// No loss makes a diagnosis sure and wrong. TENHOP_LOSS=full asks
// ten fleets per cell instead of two, and writes the table to docs/reliability.md.
func TestLoss(t *testing.T) {
	seeds, full := uint64(2), os.Getenv("TENHOP_LOSS") == "full"
	if full {
		seeds = 10
	}
	table, wrong := lossTable(t, seeds)
	t.Logf("\n%s", table)
	if full {
		replacePart(t, "../../docs/reliability.md", "<!-- generated by make loss -->\n", "<!-- end of make loss -->\n", table)
	}
	if wrong > 0 {
		t.Errorf("%d answers are sure and wrong", wrong)
	}
}

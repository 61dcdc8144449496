//go:build linux

package quiet

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/supervisor"
)

// Times of a run.
const (
	every   = 15 * time.Second // between diagnoses
	learnt  = time.Minute      // from the start, in which a diagnosis may be unsure
	long    = 30               // minutes from which ordinary life has its full length
	life    = 10 * time.Minute
	briefly = 3 * time.Minute // ordinary life of a shorter run
)

// watch records the verdicts and alerts of a storefront.
type watch struct {
	*uptest.Storefront
	state  supervisor.Dir
	began  time.Time
	phases []phase

	mu            sync.Mutex
	asked, unsure int // diagnoses after the first minute
	rows          []row
	seen          map[string]bool
	errs          []string
}

// phase is a part of the run that begins at a time.
type phase struct {
	name string
	from time.Time
}

// row is a minute.
type row struct {
	phase    string
	mean     float64 // seconds
	verdicts map[string]int
	alerts   []string
}

// TestQuiet runs for TENHOP_QUIET minutes, and then through ordinary life.
func TestQuiet(t *testing.T) {
	minutes, err := strconv.Atoi(os.Getenv("TENHOP_QUIET"))
	if err != nil || minutes < 1 {
		t.Skip("SKIPPED: nothing was watched; it runs the storefront for over an hour: set TENHOP_QUIET=60, or 5 for the short form")
	}
	seed := uptest.Seed(t, uptest.Today())
	rng := rand.New(rand.NewPCG(seed, 2))
	s := uptest.Start(t, "--watch")
	dir, err := supervisor.In(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{Storefront: s, state: dir, began: time.Now(), seen: map[string]bool{}}
	w.enter("quiet")
	t.Logf("TENHOP_SEED=%d, %d minutes", seed, minutes)
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { w.alerts(ctx) })
	g.Go(func() { w.diagnoses(ctx) })
	g.Go(func() { w.means(ctx) })
	uptest.Sleep(ctx, time.Duration(minutes)*time.Minute)
	part := life / 4
	if minutes < long {
		part = briefly / 4
	}
	for _, c := range w.changes(rng) {
		w.enter(c.name)
		end, err := c.begin(ctx)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		uptest.Sleep(ctx, part)
		end()
	}
	stop()
	g.Wait()
	w.report(t)
	switch posted, err := os.ReadFile(filepath.Join(s.Dir, ".tenhop", "incidents.md")); {
	case err == nil && len(posted) > 0:
		t.Errorf("tenhop watch posted:\n%s", posted)
	case err != nil && !os.IsNotExist(err):
		t.Error(err)
	default:
		t.Log("tenhop watch posted nothing")
	}
}

func (w *watch) enter(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.phases = append(w.phases, phase{name, time.Now()})
}

// minute returns the row of now. The caller holds mu.
func (w *watch) minute() *row {
	n := int(time.Since(w.began) / time.Minute)
	for len(w.rows) <= n {
		w.rows = append(w.rows, row{verdicts: map[string]int{}})
	}
	r := &w.rows[n]
	if p := w.phases[len(w.phases)-1].name; !strings.HasSuffix(r.phase, p) {
		r.phase = strings.TrimPrefix(r.phase+", "+p, ", ")
	}
	return r
}

// alerts notes each alert that fires, and reports pages as errors.
func (w *watch) alerts(ctx context.Context) {
	for ; ctx.Err() == nil; uptest.Sleep(ctx, time.Second) {
		firing, err := w.Firing(ctx)
		if err != nil {
			continue
		}
		w.mu.Lock()
		for _, a := range firing {
			severity := a.Labels["severity"]
			key := severity + " " + a.Labels["alertname"] + " " + a.Annotations["summary"]
			place := a.Labels["alertname"] + a.Labels["service_name"] + a.Labels["dependency"] + a.Labels["slo"] + a.Labels["long"] + a.ActiveAt.String()
			if severity == "none" || w.seen[place] {
				continue
			}
			w.seen[place] = true
			r := w.minute()
			r.alerts = append(r.alerts, key)
			if severity == "page" {
				w.errs = append(w.errs, fmt.Sprintf("%s after %s, %s", key, time.Since(w.began).Round(time.Second), w.phases[len(w.phases)-1].name))
			}
		}
		w.mu.Unlock()
	}
}

// mostUnsure is the largest part of the diagnoses after the first minute that may be unsure:
// noise is no claim, but an answer that is never sure is none.
const mostUnsure = .1

// diagnoses diagnoses again and again. After the first minute no verdict may name anything, and
// few may be unsure.
func (w *watch) diagnoses(ctx context.Context) {
	for uptest.Sleep(ctx, every) {
		began := time.Now()
		res, err := w.Diagnose(ctx)
		if ctx.Err() != nil {
			return
		}
		verdict := res.Verdict
		if err != nil {
			verdict = "error"
		}
		w.mu.Lock()
		w.minute().verdicts[verdict]++
		if began.Sub(w.began) > learnt {
			w.asked++
			if verdict == result.Unsure {
				w.unsure++
			}
		}
		if verdict == result.Unsure {
			w.keep(res)
		}
		if verdict != result.None && verdict != result.Unsure {
			text := fmt.Sprintf("verdict %s after %s, %s: %s", verdict, time.Since(w.began).Round(time.Second), w.phases[len(w.phases)-1].name, res.Why)
			if len(res.Findings) > 0 {
				f := res.Findings[0]
				text += fmt.Sprintf(" %s %s %s %+.0f ms at %s", f.Hop, f.Kind, f.Target, f.AddedMS, res.Entry.Operation)
			}
			if err != nil {
				text += err.Error()
			}
			w.errs = append(w.errs, text)
			w.keep(res)
		}
		w.mu.Unlock()
	}
}

// keep writes an answer to the directory TENHOP_QUIET_KEEP, if it is set.
func (w *watch) keep(res result.Result) {
	dir := os.Getenv("TENHOP_QUIET_KEEP")
	if dir == "" {
		return
	}
	if b, err := json.MarshalIndent(res, "", "  "); err == nil {
		_ = os.WriteFile(fmt.Sprintf("%s/quiet-%s.json", dir, time.Now().Format("150405")), b, 0o644)
	}
}

// means notes the mean duration of the requests of each minute.
func (w *watch) means(ctx context.Context) {
	const family = `http_server_request_duration_seconds`
	for uptest.Sleep(ctx, time.Minute) {
		v, ok := w.Value(ctx, `sum(rate(`+family+`_sum{service_name="gateway"}[1m]))/sum(rate(`+family+`_count{service_name="gateway"}[1m]))`)
		if !ok {
			continue
		}
		w.mu.Lock()
		w.minute().mean = v
		w.mu.Unlock()
	}
}

// report logs a table of the minutes and fails the test for each page and verdict.
func (w *watch) report(t *testing.T) {
	t.Helper()
	var table strings.Builder
	table.WriteString("\n| minute | | mean | verdicts | alerts |\n|--:|---|--:|---|---|\n")
	for i, r := range w.rows {
		var verdicts []string
		for _, v := range slices.Sorted(maps.Keys(r.verdicts)) {
			verdicts = append(verdicts, fmt.Sprintf("%d %s", r.verdicts[v], v))
		}
		mean := "not measured"
		if r.mean > 0 {
			mean = fmt.Sprintf("%.1f ms", 1000*r.mean)
		}
		fmt.Fprintf(&table, "| %d | %s | %s | %s | %s |\n", i, r.phase, mean, strings.Join(verdicts, ", "), strings.Join(r.alerts, "; "))
	}
	t.Log(table.String())
	t.Logf("%d of %d diagnoses were unsure", w.unsure, w.asked)
	if w.asked == 0 {
		t.Error("nothing was diagnosed after the first minute")
	}
	if float64(w.unsure) > mostUnsure*float64(w.asked) {
		t.Errorf("more than %.0f %% of the diagnoses were unsure", 100*mostUnsure)
	}
	for _, e := range w.errs {
		t.Error(e)
	}
}

package dashboards_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/dashboards/define"
	"github.com/tenhop/tenhop/dashboards/grafana"
	"github.com/tenhop/tenhop/internal/uptest"
)

// patience is the time within which all queries must have data: two rate windows.
const patience = 2 * time.Minute

// TestEveryQueryReturnsData runs every query of every panel against the running
// storefront after faults, a broker pause and a drill. It fails on an error, on no
// data, on a variable without values, and on an exemplar whose trace is not stored.
func TestEveryQueryReturnsData(t *testing.T) {
	if os.Getenv("TENHOP_ACCEPTANCE") == "" {
		t.Skip("starts the storefront; set TENHOP_ACCEPTANCE=short")
	}
	s := uptest.Start(t)
	ctx := t.Context()
	disturb(ctx, t, s)
	release(ctx, t, s)

	started := time.Now()
	r := &runner{store: s, traces: map[string]bool{}, deadline: started.Add(patience)}
	panels, queries := 0, 0
	for _, d := range define.All() {
		r.variables(ctx, t, d)
		for _, p := range d.Panels {
			panels++
			for _, target := range p.Targets {
				queries++
				r.target(ctx, t, d.UID+"/"+p.Title, target)
			}
		}
	}
	if len(r.traces) == 0 {
		t.Error("no panel had an exemplar")
	}
	t.Logf("%d dashboards, %d panels, %d of %d queries answered with data, %d exemplars opened their trace, in %v",
		len(define.All()), panels, r.answered, queries, len(r.traces), time.Since(started).Round(time.Second))
}

// disturb causes errors, redeliveries and a broker pause.
func disturb(ctx context.Context, t *testing.T, s *uptest.Storefront) {
	t.Helper()
	for _, hop := range []string{"payment", "shipping"} {
		if _, err := s.Inject(ctx, hop, map[string]any{"kind": "error", "code": "UNAVAILABLE", "percent": 30, "for": "20s"}); err != nil {
			t.Fatalf("inject an error into %s: %v", hop, err)
		}
	}
	broker := s.PIDs["broker"]
	if err := syscall.Kill(broker, syscall.SIGSTOP); err != nil {
		t.Fatalf("pause the broker: %v", err)
	}
	uptest.Sleep(ctx, 3*time.Second)
	if err := syscall.Kill(broker, syscall.SIGCONT); err != nil {
		t.Fatalf("resume the broker: %v", err)
	}
	uptest.Sleep(ctx, 20*time.Second)
	if s.Program == "" {
		t.Log("the storefront ran already: no drill is taken")
		return
	}
	out, err := exec.CommandContext(ctx, s.Program, "drill", "--auto", "--seed", "3", "--dir", s.Dir).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("drill: %v", err)
	}
	const rounds = `sum(tenhop_drill_rounds_total)`
	for deadline := time.Now().Add(patience); ; uptest.Sleep(ctx, time.Second) {
		body, err := s.Get(ctx, "prometheus", "/api/v1/query", url.Values{"query": {rounds}})
		if err == nil && strings.Contains(string(body), `"1"]`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not 1 after a drill: %s %v", rounds, body, err)
		}
	}
}

type runner struct {
	store  *uptest.Storefront
	traces map[string]bool // exemplars' traces, true once found

	deadline time.Time // for data to appear
	answered int
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	anyVariable = regexp.MustCompile(`\$\{?\w+\}?`)
)

// expand replaces every variable as Grafana does for All.
func expand(expr string) string {
	expr = strings.NewReplacer("$__rate_interval", "1m", "$__range", "15m").Replace(expr)
	return anyVariable.ReplaceAllString(expr, ".*")
}

func (r *runner) variables(ctx context.Context, t *testing.T, d grafana.Dashboard) {
	t.Helper()
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := labelValues.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Errorf("%s: variable %s: %s is not label_values(selector, label)", d.UID, v.Name, v.Definition)
			continue
		}
		body, err := r.store.Get(ctx, "prometheus", "/api/v1/label/"+m[2]+"/values", url.Values{"match[]": {expand(m[1])}})
		if err != nil {
			t.Errorf("%s: variable %s: %v", d.UID, v.Name, err)
			continue
		}
		var answer struct{ Data []string }
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Error(err)
		}
		// Without environments there is no label, and All matches that.
		if len(answer.Data) == 0 && (v.Name != "env" || v.AllValue != ".*") {
			t.Errorf("%s: variable %s has no value: %s", d.UID, v.Name, v.Definition)
		}
	}
}

func (r *runner) target(ctx context.Context, t *testing.T, where string, target grafana.Target) {
	t.Helper()
	var err error
	for ; ; uptest.Sleep(ctx, 2*time.Second) {
		if err = r.data(ctx, target); err == nil || time.Now().After(r.deadline) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		t.Errorf("%s: %v\n  %s", where, err, target.Expr)
		return
	}
	r.answered++
	if target.Exemplar {
		r.exemplars(ctx, t, where, target)
	}
}

func (r *runner) data(ctx context.Context, target grafana.Target) error {
	now := time.Now()
	query := url.Values{"query": {expand(target.Expr)}}
	endpoint, path := "prometheus", "/api/v1/query"
	switch {
	case target.Datasource.Type == "loki":
		endpoint, path = "loki", "/loki/api/v1/query_range"
		query.Set("start", strconv.FormatInt(now.Add(-15*time.Minute).UnixNano(), 10))
		query.Set("end", strconv.FormatInt(now.UnixNano(), 10))
		query.Set("limit", "10")
	case target.Range:
		path = "/api/v1/query_range"
		query.Set("start", strconv.FormatInt(now.Add(-15*time.Minute).Unix(), 10))
		query.Set("end", strconv.FormatInt(now.Unix(), 10))
		query.Set("step", "5")
	default:
		query.Set("time", strconv.FormatInt(now.Unix(), 10))
	}
	body, err := r.store.Get(ctx, endpoint, path, query)
	if err != nil {
		return err
	}
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if len(answer.Data.Result) == 0 {
		return fmt.Errorf("no data")
	}
	return nil
}

func (r *runner) exemplars(ctx context.Context, t *testing.T, where string, target grafana.Target) {
	t.Helper()
	now := time.Now()
	body, err := r.store.Get(ctx, "prometheus", "/api/v1/query_exemplars", url.Values{
		"query": {expand(target.Expr)},
		"start": {strconv.FormatInt(now.Add(-15*time.Minute).Unix(), 10)},
		"end":   {strconv.FormatInt(now.Add(-5*time.Second).Unix(), 10)}, // spans are exported in batches
	})
	if err != nil {
		t.Errorf("%s: exemplars: %v", where, err)
		return
	}
	var answer struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("%s: exemplars: %v", where, err)
		return
	}
	found := 0
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			id := e.Labels["trace_id"]
			found++
			if id == "" {
				t.Errorf("%s: an exemplar without trace_id: %v", where, e.Labels)
				continue
			}
			if r.traces[id] || found > 200 {
				continue
			}
			if _, err := r.store.Get(ctx, "jaeger", "/api/traces/"+id, nil); err != nil {
				t.Errorf("%s: an exemplar's trace is not stored: %v", where, err)
				continue
			}
			r.traces[id] = true
		}
	}
	if found == 0 {
		t.Errorf("%s: no exemplar\n  %s", where, target.Expr)
	}
}

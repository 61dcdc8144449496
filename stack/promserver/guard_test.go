package promserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// TestGuardOperands lists the operands that are evaluated first.
func TestGuardOperands(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{"a", ""},
		{"a > 1", ""},       // nothing is less expensive than the whole
		{"a and b", "a b"},  // either side
		{"a unless b", "a"}, // the right side may be empty
		{"a or b", ""},      // both must be empty
		{"(a or b) and c", "c"},
		{"a / on (x) b", "a b"},
		{"a > bool b", "a b"},
		{"max by (x) ((a unless b))", "a"}, // of nothing, nothing
		{"max by (x) (a > 1)", ""},
		{"(a and b) * 2 > 1", "a b"},
		{"2 * (a unless b)", "a"},
		{"absent(a) and b", "absent(a) b"}, // a function is a part of its own
		{"a and vector(1)", ""},
		{"scalar(a) + 1", ""}, // always has a value
		{"a > scalar(b)", ""},
		{"a and avg_over_time(b[10m])", "a"}, // a range takes long
		{"rate(a[10m]) and rate(b[1m])", "rate(b[1m])"},
		{"a and max_over_time(b[1m:1s])", "a"},
		{"a > 5 and b and on () (c < 9 and c >= 3) and d", "a > 5 b c < 9 c >= 3"},
	} {
		e, err := parser.NewParser(parser.Options{}).ParseExpr(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(guardOperands(e), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.expr, got, c.want)
		}
	}
}

// TestGuardLearns follows the evaluations of an expression: an operand that is empty stays,
// and if none is, all of them are left alone for a while.
func TestGuardLearns(t *testing.T) {
	full := map[string]bool{"b": true, "whole": true} // operands with a result
	failing := map[string]bool{}
	var asked []string
	g := &guarded{query: func(_ context.Context, text string, _ time.Time) (promql.Vector, error) {
		asked = append(asked, text)
		if failing[text] {
			return nil, errors.New("failed")
		}
		if full[text] {
			return promql.Vector{{F: 1}}, nil
		}
		return promql.Vector{}, nil
	}}
	g.guards.Store(&map[string]*guard{"whole": {operands: []string{"b", "a"}}})
	step := func(result int, want ...string) {
		t.Helper()
		asked = nil
		v, err := g.Query(t.Context(), "whole", time.Now())
		if err != nil || len(v) != result || !slices.Equal(asked, want) {
			t.Errorf("%d results of %v, %v; want %d of %v", len(v), asked, err, result, want)
		}
	}
	step(1, "b", "whole") // not empty
	step(0, "a")
	step(0, "a")
	full["a"] = true
	step(1, "a", "whole")
	for range guardRest {
		step(1, "whole")
	}
	delete(full, "b")
	step(0, "b")
	failing["b"] = true
	step(1, "b", "whole") // an error is the expression's to return
	asked = nil
	if _, err := g.Query(t.Context(), "other", time.Now()); err != nil || !slices.Equal(asked, []string{"other"}) {
		t.Errorf("an expression without a guard is evaluated by %v, %v", asked, err)
	}
}

// TestRulesAreGuarded loads rules with the server.
func TestRulesAreGuarded(t *testing.T) {
	s := openServer(t, WithRules(fstest.MapFS{"rules.yaml": {Data: []byte("groups: [{name: g, rules: [{record: x, expr: 'a and b'}, {record: y, expr: a}]}]")}}))
	for text, want := range map[string]bool{"a and b": true, "a": false} {
		if got := s.guarded.guardOf(text) != nil; got != want {
			t.Errorf("%s has a guard: %v, want %v", text, got, want)
		}
	}
}

// TestGuardedResults compares the results of expressions with and without guards, over a time
// in which series begin, exceed limits and end.
func TestGuardedResults(t *testing.T) {
	db, err := tsdb.Open(t.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	began := time.Now().Add(-time.Hour).Truncate(time.Minute)
	const steps = 400
	app := db.Appender(t.Context())
	for i := range steps {
		for n := range 12 {
			if phase := (i + 37*n) % 100; phase > 50 {
				continue // the series has ended
			}
			series := labels.FromStrings("__name__", string('a'+rune(n%4)), "x", fmt.Sprint(n/4))
			if _, err := app.Append(0, series, began.Add(time.Duration(i)*5*time.Second).UnixMilli(), float64(i*(n+1)%17)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	p := parser.NewParser(parser.Options{})
	engine := promql.NewEngine(promql.EngineOpts{Parser: p, MaxSamples: maxSamples, Timeout: time.Minute, LookbackDelta: 20 * time.Second})
	defer engine.Close()
	plain := rules.EngineQueryFunc(engine, db)
	queries := 0
	g := &guarded{query: func(ctx context.Context, text string, at time.Time) (promql.Vector, error) {
		queries++
		return plain(ctx, text, at)
	}}
	guards := map[string]*guard{}
	for _, text := range []string{
		"a > 9 and b < 3", "a unless b", "max by (x) (a > 12 unless on (x) b > 4)", "a / on (x) (b > 6)", "(a and b) * 2 > 12",
		"sum by (x) (rate(a[1m])) and on (x) c > 14", "a > 2 and on (x) (c < 9 and c >= 3) unless d", "a > bool (b > 8)",
		"absent(a) and on () b", "avg_over_time(a[2m]) and b offset 1m", "a - on (x) group_left () (b or c > 15)", "a and d > 100",
	} {
		e, err := p.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		guards[text] = &guard{operands: guardOperands(e)}
		if len(guards[text].operands) == 0 {
			t.Errorf("%s has no guard", text)
		}
	}
	g.guards.Store(&guards)
	filled := 0
	for text := range guards {
		for i := range steps {
			at := began.Add(time.Duration(i) * 5 * time.Second)
			want, err := plain(t.Context(), text, at)
			if err != nil {
				t.Fatal(err)
			}
			got, err := g.Query(t.Context(), text, at)
			if err != nil || fmt.Sprint(sorted(got)) != fmt.Sprint(sorted(want)) {
				t.Fatalf("%s at %v: %v, %v; want %v", text, at, got, err, want)
			}
			if len(want) > 0 {
				filled++
			}
		}
	}
	if all := steps * len(guards); filled < all/10 || filled > all*9/10 {
		t.Errorf("%d of %d results have elements, which proves little", filled, all)
	}
}

func sorted(v promql.Vector) []string {
	var out []string
	for _, s := range v {
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out
}

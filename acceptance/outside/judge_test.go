//go:build linux

package outside

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// experience holds what customers had within a time.
type experience struct{ mean, p99, failed float64 } // seconds, seconds, ratio

// customers asks the storefront's metrics what those who check out had. Every fault that they
// can feel slows or fails a checkout.
func (s *shop) customers(ctx context.Context, over time.Duration) experience {
	const family = `http_server_request_duration_seconds`
	const buy = `service_name="gateway",http_route="/checkout"`
	of := fmt.Sprintf(`{%s}[%ds]`, buy, int(over.Seconds()))
	failed := fmt.Sprintf(`{%s,http_response_status_code=~"5.."}[%ds]`, buy, int(over.Seconds()))
	return experience{
		mean:   s.query(ctx, "sum(rate("+family+"_sum"+of+"))/sum(rate("+family+"_count"+of+"))"),
		p99:    s.query(ctx, "histogram_quantile(0.99,sum by(le)(rate("+family+"_bucket"+of+")))"),
		failed: s.query(ctx, "sum(rate("+family+"_count"+failed+"))/sum(rate("+family+"_count"+of+"))"),
	}
}

// query returns the value of a query with one value, 0 without.
func (s *shop) query(ctx context.Context, expr string) float64 {
	v, _ := s.Value(ctx, expr)
	return v
}

// worse says what became worse since before, or "".
func (e experience) worse(before experience) string {
	var out []string
	if e.mean > 1.25*before.mean && e.mean-before.mean > 0.005 {
		out = append(out, fmt.Sprintf("mean %.0f → %.0f ms", 1000*before.mean, 1000*e.mean))
	}
	if e.p99 > 1.5*before.p99 {
		out = append(out, fmt.Sprintf("p99 %.0f → %.0f ms", 1000*before.p99, 1000*e.p99))
	}
	if e.failed > before.failed+0.01 {
		out = append(out, fmt.Sprintf("%.0f %% fail", 100*e.failed))
	}
	return strings.Join(out, ", ")
}

// named reports whether an answer claims a fault.
func named(res result.Result) bool {
	return (res.Verdict == result.Spike || res.Verdict == result.Errors) && len(res.Findings) > 0
}

// right reports whether an answer is sure, and its first finding the fault's.
func (f fault) right(res result.Result) bool {
	if f.control {
		return !named(res)
	}
	return named(res) && f.first(res)
}

// suspected reports whether an answer that is not sure has the fault's finding first.
func (f fault) suspected(res result.Result) bool {
	return !f.control && res.Verdict == result.Unsure && f.first(res)
}

// first reports whether the first finding of an answer is the fault's.
func (f fault) first(res result.Result) bool {
	if len(res.Findings) == 0 {
		return false
	}
	first := res.Findings[0]
	if len(f.kinds) > 0 {
		return slices.Contains(f.kinds, first.Kind)
	}
	if first.Hop == f.hop {
		return f.instance == "" || first.Instance == f.instance
	}
	return f.hop != "" && first.Kind == result.KindDependency && (first.Target == f.hop || slices.Contains(f.also, first.Target)) ||
		slices.Contains(f.also, first.Hop) || slices.Contains(f.also, first.Target)
}

// details holds the parts of a finding that are absent from some answers.
type details struct {
	Instance string
	Cause    struct{ Kind string }
}

func first(res result.Result) (d details) {
	if len(res.Findings) == 0 {
		return d
	}
	b, err := json.Marshal(res.Findings[0])
	if err != nil || json.Unmarshal(b, &d) != nil {
		return details{}
	}
	return d
}

// void reports whether nobody felt the fault and nothing was said of it.
func (r round) void() bool {
	return !r.control && r.felt == "" && !slices.ContainsFunc(r.answers, func(a result.Result) bool { return a.Verdict != result.None })
}

// flipped reports whether an answer took back an earlier one.
func (r round) flipped() bool {
	sure := ""
	for _, a := range r.answers {
		switch {
		case sure != "" && a.Verdict == result.None:
			return true
		case named(a):
			if hop := a.Findings[0].Hop + a.Findings[0].Target; sure != "" && sure != hop && !r.right(a) {
				return true
			} else {
				sure = hop
			}
		}
	}
	return false
}

// said returns an answer in a few words.
func said(res result.Result, err error) string {
	if err != nil {
		return "error: " + strings.TrimSpace(err.Error())
	}
	text := res.Verdict
	if len(res.Findings) > 0 {
		f := res.Findings[0]
		text += ": " + strings.TrimSpace(strings.Join([]string{f.Hop, f.Kind, f.Target, first(res).Instance}, " ")) + fmt.Sprintf(" %+.0f ms", f.AddedMS)
		if c := first(res).Cause.Kind; c != "" {
			text += " (" + c + ")"
		}
	}
	if res.Why != "" && (res.Verdict == result.Unsure || len(res.Findings) == 0) {
		text += ": " + res.Why
	}
	return strings.Join(strings.Fields(text), " ")
}

// row returns a row of the table.
func (r round) row() string {
	cells := []string{r.name, strings.TrimSpace(r.hop + " " + r.instance), r.felt}
	if len(r.answers) == 0 {
		return "| " + strings.Join(append(cells, fmt.Sprint("not injected: ", r.errs)), " | ") + " |"
	}
	for i, a := range r.answers {
		mark := "wrong"
		switch {
		case r.right(a):
			mark = "right"
		case r.suspected(a):
			mark = "right, unsure"
		case a.Verdict == result.Unsure:
			mark = "no answer"
		case r.void():
			mark = "void"
		}
		cells = append(cells, mark+": "+said(a, r.errs[i]))
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// report logs the table and fails the test if the answers are not right often enough.
func report(t *testing.T, rounds []round) {
	t.Helper()
	var table strings.Builder
	table.WriteString("\n| fault | hop | felt | at 15 s | at 25 s | at 40 s |\n|---|---|---|---|---|---|\n")
	total, at15, sure15, felt, at25, known, causes, flips, blamed, controls, void := 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	for _, r := range rounds {
		table.WriteString(r.row() + "\n")
		if len(r.answers) < len(asked) {
			t.Errorf("%s: %v", r.name, r.errs)
			continue
		}
		if r.flipped() {
			flips++
		}
		if r.control {
			controls++
			if slices.ContainsFunc(r.answers, named) {
				blamed++
			}
			continue
		}
		if r.void() {
			void++
			continue
		}
		total++
		if r.right(r.answers[0]) {
			sure15++
			at15++
		} else if r.suspected(r.answers[0]) {
			at15++
		}
		if r.felt != "" && !r.faint {
			felt++
			if r.right(r.answers[1]) {
				at25++
			}
		}
		if len(r.causes) > 0 {
			known++
			if slices.ContainsFunc(r.answers, func(a result.Result) bool { return slices.Contains(r.causes, first(a).Cause.Kind) }) {
				causes++
			}
		}
	}
	t.Log(table.String())
	t.Logf("hop right at 15 s: %d of %d, surely %d; surely at 25 s of those that customers felt: %d of %d; cause right: %d of %d; flips: %d; controls blamed: %d of %d; felt by nobody: %d; load %s",
		at15, total, sure15, at25, felt, causes, known, flips, blamed, controls, void, loadAverage())
	if 10*at15 < 9*total || at25 < felt || 5*causes < 4*known || flips > 0 || blamed > 0 {
		t.Error("want 90 % right at 15 s, all that customers felt at 25 s, 80 % of the causes, no flip, and no control blamed")
	}
}

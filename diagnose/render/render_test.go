package render_test

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

var update = flag.Bool("update", false, "rewrite testdata")

func results() map[string]result.Result {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	base := result.Result{Verdict: result.None, Entry: result.Entry{Service: "gateway", Operation: "POST /checkout"}, Statistic: "mean",
		BaselineMS: 40, NowMS: 41, Window: result.Range{From: at.Add(time.Minute), To: at.Add(2 * time.Minute)}, Baseline: result.Range{From: at, To: at.Add(time.Minute)},
		Requests: result.Requests{Baseline: 300, Now: 60}, Sources: []result.Source{{Name: "prometheus", OK: true, Read: 180, TookMS: 50}}, TookMS: 80}
	spike := base
	spike.Verdict, spike.NowMS, spike.AddedMS, spike.P95 = result.Spike, 540, 500, result.P95{BaselineMS: 90, NowMS: 620}
	spike.OtherEntries = []result.Entry{{Operation: "POST /cart", AddedMS: 30}, {Operation: "POST /checkout", Flow: "async", AddedMS: 510}}
	spike.Findings = []result.Finding{
		{Rank: 1, Hop: "payment", Operation: "Payment/Charge", Kind: result.KindSelf, BaselineMS: 10, NowMS: 480, AddedMS: 470, Share: .94,
			Attributes: []result.Attribute{{Key: "region", Value: "eu|west", Lift: 4}}, Exemplars: []string{"4bf92f3577b34da6a3ce929d0e0e4736"}},
		{Rank: 2, Hop: "payment", Operation: "Payment/Charge", Kind: result.KindDependency, Target: "payment-db", BaselineMS: 2, NowMS: 32, AddedMS: 30, Share: .06},
	}
	left := spike
	left.Sources = append(left.Sources[:1:1], result.Source{Name: "jaeger", Error: "no answer within 3s", TookMS: 3000})
	failing := base
	failing.Verdict, failing.Errors = result.Errors, &result.Failing{Baseline: .001, Now: .41}
	failing.Findings = []result.Finding{{Rank: 1, Hop: "payment", Operation: "Payment/Charge", Kind: result.KindErrors, Target: "checkout", Share: .98,
		Errors: &result.Failing{Baseline: .001, Now: .4, Type: "UNAVAILABLE"}, Exemplars: []string{"4bf92f3577b34da6a3ce929d0e0e4736"}}}
	unsure := base
	unsure.Verdict, unsure.Why = result.Unsure, "only 20s of traffic were seen; 1m0s are needed to know what is normal"
	spike.Quantiles = []result.Band{{Quantile: .5, BaselineMS: 38, NowMS: 530, AddedMS: 492, Requests: result.Requests{Baseline: 6, Now: 6},
		Parts: []result.BandPart{{Hop: "payment", Kind: result.KindSelf, AddedMS: 480, Share: .98}, {Hop: "order", Kind: result.KindLink, Target: "checkout", AddedMS: 30, Share: .06}}},
		{Quantile: .99, BaselineMS: 80, NowMS: 85, AddedMS: 5, Requests: result.Requests{Baseline: 3, Now: 3}}}
	spike.Findings[0].CounterfactualP95 = &[2]float64{70, 95}
	spike.Stages = []result.Stage{{Name: "collect", TookMS: 60}, {Name: "split", TookMS: 2}}
	other := spike
	other.Findings = []result.Finding{
		{Rank: 1, Kind: result.KindMix, Target: "cart=large", BaselineMS: 30, NowMS: 330, AddedMS: 300, Share: .6,
			Attributes: []result.Attribute{{Key: "cart", Value: "large", Lift: 7}}},
		{Rank: 2, Hop: "payment", Operation: "Payment/Charge", Kind: result.KindCalls, Target: "checkout", NowMS: 220, BaselineMS: 20, AddedMS: 200, Share: .4,
			Calls: &result.Calls{Baseline: 1, Now: 3}}}
	other.Deploys = []result.Deploy{{Service: "payment", Version: "2.0", Before: "1.9", Seen: at.Add(55 * time.Second)}}
	small := spike                        // shares round to 0 %, added times do not
	small.Quantiles = spike.Quantiles[1:] // has too few traces to be printed
	small.Findings = []result.Finding{
		{Rank: 1, Hop: "payment", Operation: "Payment/Charge", Kind: result.KindSelf, BaselineMS: 10, NowMS: 10.2, AddedMS: .2},
		{Rank: 2, Hop: "order", Kind: result.KindFlow, Evidence: "in 9 of 10 traces it asks stock twice"}}
	several := spike // causes that other findings hide, with quotes
	several.Quantiles = nil
	several.Findings = []result.Finding{
		{Rank: 1, Hop: "desk", Operation: "GET /desk", Kind: result.KindConcurrency, Target: "store", BaselineMS: 50, NowMS: 450, AddedMS: 400, Share: .8,
			Cause: &result.Cause{Kind: result.CauseLostConcurrency, Why: "calls of store follow each other"}, Evidence: "100 % of the pairs overlapped, now 20 %"},
		{Rank: 2, Hop: "search", Operation: "Find", Kind: result.KindSelf, OffPath: &result.OffPath{AddedMS: 200, RemainsMS: 150},
			Quotes: []result.Quote{{Source: result.QuoteException, Text: "Timeout: `rm` [x](http://evil) @here\x1b[31m", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Traces: 9}}},
		{Rank: 3, Hop: "cart", Operation: "Add", Kind: result.KindSelf, NowMS: 100, AddedMS: 100, Share: .9, Entry: "POST /cart",
			Quotes: []result.Quote{{Source: result.QuoteLog, Text: "no connection", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", Traces: 2}}}}
	return map[string]result.Result{"several": several, "small": small, "mix": other, "none": base, "spike": spike, "left-out": left, "errors": failing, "unsure": unsure}
}

// The output equals the files in testdata; -update rewrites them.
func TestGolden(t *testing.T) {
	for name, r := range results() {
		for kind, write := range map[string]func(*strings.Builder) error{
			"txt": func(b *strings.Builder) error { return render.Text(b, r, render.Links{}) },
			"md": func(b *strings.Builder) error {
				return render.Markdown(b, r, render.Links{Traces: "http://jaeger:16686/"})
			},
		} {
			var b strings.Builder
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name+"."+kind)
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("%s:\n%s\nwant:\n%s", file, b.String(), want)
			}
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		before, now, longest float64
		want                 string
	}{
		{1, 2, 2, strings.Repeat("█", 12) + strings.Repeat("░", 12)},
		{2, 1, 2, strings.Repeat("█", 12)},
		{0, 0, 0, ""},
		{-1, 2, 2, strings.Repeat("░", 24)},
	} {
		if got := render.Bar(c.before, c.now, c.longest); got != c.want {
			t.Errorf("Bar(%v, %v, %v) = %q, want %q", c.before, c.now, c.longest, got, c.want)
		}
	}
}

// Names in spans cannot control the terminal, and rendering does not modify the result.
func TestNamesCannotCommandTheTerminal(t *testing.T) {
	const evil = "pay\x1b[31m\x1b]0;pwn\x07\r\n\u202eop"
	r := result.Result{Verdict: result.Spike, Entry: result.Entry{Operation: evil}, BaselineMS: 1, NowMS: 501,
		Findings: []result.Finding{{Rank: 1, Hop: evil, Operation: evil, Kind: result.KindSelf, Target: evil, Share: 1, AddedMS: 500, NowMS: 501,
			Evidence: evil, Attributes: []result.Attribute{{Key: evil, Value: evil, Lift: 3}}}},
		OtherEntries: []result.Entry{{Operation: evil}}, Sources: []result.Source{{Name: "jaeger", Error: evil, Note: evil}}}
	for name, write := range map[string]func(io.Writer, result.Result, render.Links) error{"text": render.Text, "markdown": render.Markdown} {
		var b strings.Builder
		if err := write(&b, r, render.Links{}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\x1b\x07\r\u202e") || strings.Contains(b.String(), "\nop") {
			t.Errorf("%s: %q", name, b.String())
		}
	}
	if r.Findings[0].Hop != evil || r.OtherEntries[0].Operation != evil {
		t.Error("the result itself was changed")
	}
}

// An entry that became much faster is not at its baseline.
func TestFasterThanItsBaseline(t *testing.T) {
	r := result.Result{Verdict: result.None, Entry: result.Entry{Operation: "GET /a"}, BaselineMS: 133, NowMS: 33}
	if got, want := render.Verdict(r), "no spike: GET /a is faster than its baseline (mean 133 ms -> 33.0 ms)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r.NowMS = 120
	if got, want := render.Verdict(r), "no spike: GET /a is at its baseline (mean 120 ms)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

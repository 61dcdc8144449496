package report

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/drill/seal"
)

func at(s float64) *float64 { return &s }

func yes(b bool) *bool { return &b }

// rounds returns five rounds: right, wrong cause, half of two, void, and a control that was
// blamed on somebody.
func rounds() []drill.Round {
	day := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	answer := func(verdict, hop, cause string) json.RawMessage {
		return json.RawMessage(`{"verdict":"` + verdict + `","why":"because <b>","findings":[{"hop":"` + hop + `","kind":"self","cause":{"kind":"` + cause + `"}}]}`)
	}
	expect := func(hop, cause string) []scenario.Answer {
		return []scenario.Answer{{Hop: hop, Causes: []string{cause}}}
	}
	simple := []drill.Ranker{{Method: "largest p90 change", Hop: "gateway"}, {Method: "random", Hop: "payment", RightHop: true}}
	return []drill.Round{
		{Round: 1, At: day, By: drill.ByDiagnosis, Fault: drill.Fault{Kind: "cpu", Hop: "payment", Expect: expect("payment", "cpu")},
			Answer: answer("spike", "payment", "cpu"), RightHop: true, RightOperation: true, RightKind: true, RightCause: yes(true), Rankers: simple,
			Seconds: drill.Seconds{Moved: at(2), Alerted: at(6), Answered: at(8), Lifted: at(8.5), Recovered: at(5)}},
		{Round: 2, At: day, By: drill.ByDiagnosis, Fault: drill.Fault{Kind: "gc", Hop: "order", Expect: expect("order", "gc")},
			Answer: answer("spike", "order", "cpu"), RightHop: true, RightOperation: true, RightKind: true, RightCause: yes(false),
			Seconds: drill.Seconds{Moved: at(3), Answered: at(12), Lifted: at(12), Recovered: at(4)}},
		{Round: 3, At: day.AddDate(0, 0, 1), By: drill.ByPerson, Fault: drill.Fault{Kind: drill.Two, Hop: "order", Expect: append(expect("order", "gc"), expect("payment", "cpu")...)},
			Answer: answer("spike", "order", "gc"), Half: true, Hints: 1, Seconds: drill.Seconds{Moved: at(3), Answered: at(60), Penalty: at(15), Lifted: at(60), Recovered: at(4)}},
		{Round: 4, At: day.AddDate(0, 0, 1), By: drill.ByDiagnosis, Fault: drill.Fault{Kind: "cpu", Hop: "fraud", Expect: expect("fraud", "cpu")}, Void: "customers did not feel the fault"},
		{Round: 5, At: day.AddDate(0, 0, 1), By: drill.ByDiagnosis, Fault: drill.Fault{Kind: drill.Control}, Answer: answer("spike", "cart", ""),
			Seconds: drill.Seconds{Answered: at(20), Lifted: at(20)}},
	}
}

func TestSummary(t *testing.T) {
	var b strings.Builder
	if err := WriteTable(&b, rounds()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 4 right; 1 void; median time to the answer 16.0 s, to the recovery 16.0 s; 1 of the wrong are half right",
		"void: customers did not feel the fault", "half: one of the faults is named", "not cause", "60.0 s + 15 s",
		"largest p90 change  0 of 1", "tenhop              1 of 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if Wrong(rounds()) != 3 || Counted(rounds()) != 4 {
		t.Errorf("%d wrong of %d", Wrong(rounds()), Counted(rounds()))
	}
	b.Reset()
	if err := WriteMarkdown(&b, rounds()); err != nil || !strings.Contains(b.String(), "## Misses") || !strings.Contains(b.String(), "## Void rounds") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestConfusion(t *testing.T) {
	c := confused(rounds())
	got := map[string]int{}
	for _, row := range c.Rows {
		for i, cell := range row.Cells {
			if cell.N > 0 {
				mark := "wrong"
				if cell.Right {
					mark = "right"
				}
				got[row.Injected+" → "+c.Columns[i]+" "+mark] = cell.N
			}
		}
	}
	for _, want := range []string{"cpu → cpu right", "gc → cpu wrong", "(none) → no cause wrong"} {
		if got[want] != 1 {
			t.Errorf("%q is missing in %v", want, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("%v", got)
	}
}

func TestHTML(t *testing.T) {
	var b strings.Builder
	if err := WriteHTML(&b, rounds()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 of 4", "prefers-color-scheme: dark", "width=device-width", "2026-11-27", "person, unaided", "because &lt;b&gt;", "injected → answered"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, foreign := range []string{"<script", "http:", "https:", "NaN", "ZgotmplZ"} {
		if strings.Contains(b.String(), foreign) {
			t.Errorf("the page contains %q", foreign)
		}
	}
	if err := WriteHTML(&b, rounds()[4:]); err != nil {
		t.Errorf("without a round with a fault: %v", err)
	}
}

// sealed writes a report of two rounds.
func sealed(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drills.jsonl")
	w, _, err := Append(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rounds()[:2] {
		s, err := seal.Of(r.Fault)
		if err != nil {
			t.Fatal(err)
		}
		r.Seal = &s
		if err := errors.Join(w.Sealed(r.Round, seal.Seal{SHA256: s.SHA256}), w.Round(r)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestVerify(t *testing.T) {
	path := sealed(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	for _, c := range []struct {
		why, content     string
		right, abandoned int
		err              string
	}{
		{"as it was written", string(good), 2, 0, ""},
		{"another fault", strings.Replace(string(good), `"hop":"order"`, `"hop":"orders"`, 1), 1, 1, "round 2: the fault is not the one that was sealed"},
		{"a seal that comes afterwards", lines[1] + lines[0] + lines[2] + lines[3], 1, 1, "round 1: its seal was not written before the round"},
		{"a round that was taken out", lines[0] + lines[2] + lines[3], 1, 1, ""},
		{"a seal that was taken out", lines[1] + lines[2] + lines[3], 1, 0, "round 1: its seal was not"},
		{"the seal of another round", lines[0] + lines[2] + strings.Replace(lines[3], `"round":2`, `"round":1`, 1), 0, 2, "round 1: its seal was not"},
		{"a round twice", string(good) + lines[3], 2, 0, "round 2: its seal was not"},
	} {
		f, err := decode("x", strings.NewReader(c.content))
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		right, abandoned, err := f.Verify()
		if right != c.right || abandoned != c.abandoned || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d right, %d abandoned, %v", c.why, right, abandoned, err)
		}
	}
	forged := strings.Replace(lines[3], `"fault":{`, `"fault":{"instance":"forged"},"fault":{`, 1)
	f, err := decode("x", strings.NewReader(lines[2]+forged))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Verify(); err == nil && f.Rounds[0].Fault.Instance == "forged" {
		t.Error("a fault that is shown is not the sealed one")
	}
	if _, _, err := (File{Rounds: rounds()}).Verify(); err == nil {
		t.Error("rounds without a seal are accepted")
	}
}

// A report is continued after a crash within a line.
func TestAppend(t *testing.T) {
	path := sealed(t)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(good, `{"sealed":{"round":3,`...), 0o600); err != nil {
		t.Fatal(err)
	}
	w, f, err := Append(path)
	if err != nil || len(f.Rounds) != 2 || f.Last() != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	if err := w.Round(rounds()[2]); err != nil {
		t.Fatal(err)
	}
	if f, err = Read(path); err != nil || len(f.Rounds) != 3 || f.Damaged != 1 || f.Last() != 3 {
		t.Errorf("%d rounds, %v", len(f.Rounds), err)
	}
	// A history has the round within a record.
	f, err = decode("x", strings.NewReader(`{"at":"2026-11-23T15:00:00Z","round":{"round":1,"fault":{"kind":"latency","hop":"payment","operation":"x"}}}`+"\n"))
	if err != nil || len(f.Rounds) != 1 || f.Rounds[0].At.Day() != 23 || f.Rounds[0].Fault.Hop != "payment" {
		t.Errorf("a history: %+v, %v", f.Rounds, err)
	}
	if _, err := decode("x", strings.NewReader("{}\n")); err == nil || !strings.Contains(err.Error(), "x:1: not a round") {
		t.Errorf("another file: %v", err)
	}
}

// The median of two values lies between them.
func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{8}, 0.5, 8}, {[]float64{8}, 0.9, 8}, {[]float64{100, 8}, 0.5, 54}, {[]float64{1, 2, 3}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5}, {[]float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, 0.9, 90},
	} {
		if got := quantile(c.values, c.q); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v of %v: %v, want %v", c.q, c.values, got, c.want)
		}
	}
}

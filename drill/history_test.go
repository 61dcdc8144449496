package drill

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestHistoryOfTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drills.jsonl")
	ours, theirs := NewHistory(path), NewHistory(path)
	if got, err := ours.Records(); err != nil || len(got) != 0 {
		t.Fatalf("before the first drill: %v, %v", got, err)
	}
	for i, h := range []*History{ours, theirs, ours} {
		if err := h.Append(Record{At: time.Unix(int64(i), 0), Round: Round{Round: i}}); err != nil {
			t.Fatal(err)
		}
		got, err := ours.Records()
		if err != nil || len(got) != i+1 || got[i].Round.Round != i {
			t.Fatalf("after %d: %+v, %v", i+1, got, err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("damaged\n" + `{"round":{"round":4`); err != nil { // the second line is still being written
		t.Fatal(err)
	}
	if got, err := ours.Records(); err != nil || len(got) != 3 {
		t.Errorf("with a damaged line: %d records, %v", len(got), err)
	}
	if _, err := f.WriteString("}}\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := ours.Records(); err != nil || len(got) != 4 || got[3].Round.Round != 4 {
		t.Errorf("with the line complete: %+v, %v", got, err)
	}
}

func TestHistoryAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drills.jsonl")
	if err := os.WriteFile(path, []byte(`{"round":{"ro`), 0o600); err != nil {
		t.Fatal(err)
	}
	h := NewHistory(path)
	if err := h.Append(Record{Round: Round{Round: 7}}); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Records(); err != nil || len(got) != 1 || got[0].Round.Round != 7 {
		t.Errorf("%+v, %v: want the round after the crash", got, err)
	}
}

func TestHistoryIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "drills.jsonl")
	h := NewHistory(path)
	if err := h.Append(Record{Round: Round{Round: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Records(); err != nil {
		t.Fatal(err)
	}
	// The file is replaced by a longer one, with a line above maxRecord.
	other := NewHistory(path + ".next")
	if err := os.WriteFile(path+".next", []byte(`{"proof":"`+strings.Repeat("x", maxRecord)+"\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := other.Append(Record{Round: Round{Round: 10 + n}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Records(); err != nil || len(got) != 3 || got[0].Round.Round != 10 {
		t.Errorf("%d records, %v: want the three of the file that is there now", len(got), err)
	}
}

func TestUnreadableHistory(t *testing.T) {
	c := NewCollector(NewHistory(t.TempDir())) // a directory
	if err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP tenhop_drill_history_unreadable 1 while the history of drills cannot be read.
# TYPE tenhop_drill_history_unreadable gauge
tenhop_drill_history_unreadable 1
`)); err != nil {
		t.Error(err)
	}
}

func TestCollector(t *testing.T) {
	h := NewHistory("")
	c := NewCollector(h)
	for name, want := range map[string]int{"tenhop_drill_rounds_total": 2, "tenhop_drill_phase_seconds": 4} {
		if n := testutil.CollectAndCount(c, name); n != want {
			t.Errorf("before the first drill %s has %d series, want %d", name, n, want)
		}
	}
	s := func(v float64) *float64 { return &v }
	for _, r := range []Round{
		{RightHop: true, Seconds: Seconds{Moved: s(3), Alerted: s(8), Answered: s(9), Recovered: s(5)}},
		{Seconds: Seconds{Moved: s(4)}},
	} {
		if err := h.Append(Record{Round: r}); err != nil {
			t.Fatal(err)
		}
	}
	const want = `
# HELP tenhop_drill_rounds_total Finished drills, by whether the answer named the right hop.
# TYPE tenhop_drill_rounds_total counter
tenhop_drill_rounds_total{right_hop="false"} 1
tenhop_drill_rounds_total{right_hop="true"} 1
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "tenhop_drill_rounds_total"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

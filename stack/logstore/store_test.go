package logstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func line(service string, second int, traceID, message string) string {
	return fmt.Sprintf(`{"level":"info","service":%q,"trace_id":%q,"time":%q,"message":%q}`+"\n",
		service, traceID, epoch.Add(time.Duration(second)*time.Second).Format(time.RFC3339Nano), message)
}

func traceID(n int) string { return fmt.Sprintf("%032x", n) }

func openStore(t *testing.T, dir string, opts ...Option) *Store {
	t.Helper()
	s, err := Open(dir, append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// messages returns what a scan finds after the files were looked at again.
func messages(t *testing.T, s *Store, q Scan) []string {
	t.Helper()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if q.To.IsZero() {
		q.From, q.To = epoch.Add(-time.Hour), epoch.Add(24*time.Hour)
	}
	var out []string
	err := s.Each(t.Context(), q, func(l Line) bool {
		_, m, _ := strings.Cut(string(l.Raw), `"message":"`)
		out = append(out, strings.TrimSuffix(m, `"}`))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLinesOfAllFilesInOrderOfTime(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "payment.jsonl"), line("payment", 1, traceID(1), "p1")+line("payment", 3, traceID(2), "p3"))
	appendTo(t, filepath.Join(dir, "order.jsonl"), line("order", 2, traceID(1), "o2")+line("order", 4, traceID(2), "o4"))
	s := openStore(t, dir)
	if got, want := messages(t, s, Scan{Forward: true}), []string{"p1", "o2", "p3", "o4"}; !slices.Equal(got, want) {
		t.Errorf("forward: %v, want %v", got, want)
	}
	if got, want := messages(t, s, Scan{}), []string{"o4", "p3", "o2", "p1"}; !slices.Equal(got, want) {
		t.Errorf("backward: %v, want %v", got, want)
	}
	if got, want := messages(t, s, Scan{Forward: true, From: epoch.Add(2 * time.Second), To: epoch.Add(3 * time.Second)}), []string{"o2", "p3"}; !slices.Equal(got, want) {
		t.Errorf("range, both ends inclusive: %v, want %v", got, want)
	}
	service := func(name string) bool { return name == "order" }
	if got, want := messages(t, s, Scan{Forward: true, Service: service}), []string{"o2", "o4"}; !slices.Equal(got, want) {
		t.Errorf("service: %v, want %v", got, want)
	}
}

func TestFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.jsonl")
	s := openStore(t, dir)
	appendTo(t, path, line("a", 1, "", "one")+`{"level":"info","message":"half`)
	if got, want := messages(t, s, Scan{Forward: true}), []string{"one"}; !slices.Equal(got, want) {
		t.Errorf("a line being written: %v, want %v", got, want)
	}
	appendTo(t, path, `"}`+"\n"+line("a", 2, "", "two"))
	if got, want := messages(t, s, Scan{Forward: true}), []string{"one", "half", "two"}; !slices.Equal(got, want) {
		t.Errorf("the line is whole: %v, want %v", got, want)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, line("a", 3, "", "after truncation"))
	if got, want := messages(t, s, Scan{Forward: true}), []string{"after truncation"}; !slices.Equal(got, want) {
		t.Errorf("truncated: %v, want %v", got, want)
	}
	if err := os.Rename(path, filepath.Join(dir, "a.1.jsonl")); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, line("a", 4, "", "in the new file"))
	if got, want := messages(t, s, Scan{Forward: true}), []string{"after truncation", "in the new file"}; !slices.Equal(got, want) {
		t.Errorf("rotated: %v, want %v", got, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got, want := messages(t, s, Scan{Forward: true}), []string{"after truncation"}; !slices.Equal(got, want) {
		t.Errorf("removed: %v, want %v", got, want)
	}
}

func TestATraceIsFoundInFewBlocks(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	for i := range 5000 {
		b.WriteString(line("a", i, traceID(i/5), fmt.Sprint("m", i)))
	}
	// Named in a message only.
	b.WriteString(line("a", 5000, traceID(9999), "caused by "+traceID(77)))
	appendTo(t, filepath.Join(dir, "a.jsonl"), b.String())
	s := openStore(t, dir)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Blocks; n < 8 {
		t.Fatalf("%d blocks are too few for this test", n)
	}
	q := Scan{Forward: true, TraceID: traceID(77), From: epoch, To: epoch.Add(24 * time.Hour)}
	if n := len(s.spans(q)); n > 4 {
		t.Errorf("%d blocks would be read for one trace", n)
	}
	want := []string{"m385", "m386", "m387", "m388", "m389", "caused by " + traceID(77)}
	if got := messages(t, s, q); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestIndexIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, WithMemoryBytes(64<<10)) // some 200 blocks
	for i := range 40 {
		appendTo(t, filepath.Join(dir, fmt.Sprint("f", i%4, ".jsonl")), strings.Repeat(line("a", i, "", strings.Repeat("x", 900)), 500))
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.IndexBytes > 64<<10 || st.DroppedBlocks == 0 {
		t.Errorf("%+v", st)
	}
	if got := messages(t, s, Scan{From: epoch.Add(39 * time.Second), To: epoch.Add(39 * time.Second)}); len(got) != 500 {
		t.Errorf("%d of the newest lines are found", len(got))
	}
}

// A panic's stack trace is no JSON; it belongs where it was written.
func TestLinesWithoutTimeKeepTheirPlace(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "a.jsonl"), line("a", 1, "", "one")+"goroutine 1 [running]:\n"+line("a", 2, "", "two"))
	s := openStore(t, dir)
	if got, want := messages(t, s, Scan{Forward: true}), []string{"one", "", "two"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTimesInEveryUnit(t *testing.T) {
	want := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, raw := range []string{`"2026-11-23T12:00:00Z"`, "1795435200", "1795435200000", "1795435200000000", "1795435200000000000"} {
		got, ok := parseTime([]byte(raw))
		if !ok || got != want.UnixNano() {
			t.Errorf("%s: %v %v", raw, time.Unix(0, got).UTC(), ok)
		}
	}
	for _, raw := range []string{`"yesterday"`, "-1", "{}", ""} {
		if _, ok := parseTime([]byte(raw)); ok {
			t.Errorf("%q is taken for a time", raw)
		}
	}
}

func TestReceivedRecordsAreFoundLikeLines(t *testing.T) {
	s := openStore(t, t.TempDir())
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "../../etc/passwd") // must not leave the directory
	rec := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(epoch))
	rec.SetSeverityText("ERROR")
	rec.Body().SetStr("card declined")
	rec.SetTraceID(pcommon.TraceID{15: 7})
	if err := s.Append(ld); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []Line
	if err := s.Each(t.Context(), Scan{From: epoch, To: epoch, TraceID: traceID(7)}, func(l Line) bool {
		got = append(got, l)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Level != "error" || got[0].TraceID != traceID(7) || got[0].Service != "../../etc/passwd" {
		t.Errorf("%+v", got)
	}
}

// TestUnorderedLinesAreBounded: each block has a line as old as the first, so
// that all the others would have to wait for the last block.
func TestUnorderedLinesAreBounded(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 36<<10)
	for i := range 2200 {
		path := filepath.Join(dir, fmt.Sprintf("payment-%d.jsonl", i/100))
		appendTo(t, path, line("payment", 0, traceID(1), "old")+line("payment", i, traceID(1), long))
	}
	s := openStore(t, dir)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), Scan{From: epoch, To: epoch.Add(time.Hour), Forward: true}, func(Line) bool { return true }); !errors.Is(err, ErrUnordered) {
		t.Errorf("70 MiB wait in memory: %v", err)
	}
}

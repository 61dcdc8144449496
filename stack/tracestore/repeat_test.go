package tracestore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// filling returns spans that fill more than a segment of 128 KiB.
func filling() []testSpan {
	pad := map[string]string{"pad": strings.Repeat("x", 60_000)}
	return []testSpan{
		{trace: 7, span: 1, service: "a", name: "x", attributes: pad},
		{trace: 7, span: 2, service: "a", name: "y", attributes: pad},
		{trace: 7, span: 3, service: "a", name: "z", attributes: pad},
	}
}

// A full segment is followed by a new one, for which there may be no disk left.
// An Append that stored its spans must not fail for that: its client would send
// them again.
func TestAppendFailsOnlyWithoutStoring(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "traces")
	s, err := Open(dir, WithDiskBytes(1<<20), WithRetention(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil { // no new file can be created
		t.Fatal(err)
	}
	if err := s.Append(batch(filling()...)); err != nil {
		t.Errorf("stored, but answered: %v", err)
	}
	for range 3 {
		if err := s.Append(batch(testSpan{trace: 8, span: 1, service: "a", name: "x"})); err == nil {
			t.Error("a span for which there is no segment is accepted")
		}
	}
	if got := spanNames(t, s, 7); len(got) != 3 {
		t.Errorf("stored %v", got)
	}
	if got := spanNames(t, s, 8); len(got) != 0 {
		t.Errorf("stored %v, though Append failed", got)
	}
}

// A client that misses an answer sends its spans again: alone, with others, over
// the border of a segment, and after a restart.
func TestRepeatedSpansAreStoredOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, WithDiskBytes(1<<20))
	first := testSpan{trace: 1, span: 1, service: "a", name: "x", at: time.Second}
	second := testSpan{trace: 1, span: 2, service: "a", name: "y"}
	add(t, s, first)
	add(t, s, first)
	add(t, s, first, second, second)
	if n := s.Stats().Spans; n != 2 {
		t.Errorf("%d spans are stored, want 2", n)
	}
	add(t, s, filling()...)
	add(t, s, testSpan{trace: 2, span: 1, service: "a", name: "x"}) // in a new segment
	add(t, s, first)
	add(t, s, filling()...)
	if st := s.Stats(); st.Segments != 2 || st.Spans != 6 {
		t.Errorf("%+v, want 6 spans in 2 segments", st)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, WithDiskBytes(1<<20))
	add(t, s, testSpan{trace: 2, span: 1, service: "a", name: "x"})
	if n := s.Stats().Spans; n != 6 {
		t.Errorf("%d spans after a restart, want 6", n)
	}
}

// Zipkin's clients give the client's and the server's span the same ID.
func TestDifferentSpansWithOneIDAreKept(t *testing.T) {
	s := open(t, t.TempDir())
	span := testSpan{trace: 1, span: 1, service: "a", name: "x", kind: ptrace.SpanKindClient}
	add(t, s, span)
	server := span
	server.kind = ptrace.SpanKindServer
	add(t, s, server)
	elsewhere := span
	elsewhere.service = "b"
	add(t, s, elsewhere)
	retagged := span
	retagged.attributes = map[string]string{"k": "v"}
	add(t, s, retagged)
	if got := spanNames(t, s, 1); len(got) != 4 {
		t.Errorf("stored %v", got)
	}
}

// What expired is forgotten: the same span may come again.
func TestExpiredSpansMayComeAgain(t *testing.T) {
	now := epoch
	s := open(t, t.TempDir(), WithRetention(time.Hour), WithClock(func() time.Time { return now }))
	span := testSpan{trace: 1, span: 1, service: "a", name: "x"}
	add(t, s, span)
	now = now.Add(2 * time.Hour)
	s.Expire()
	if _, err := s.Trace(t.Context(), pcommon.TraceID{15: 1}); err == nil {
		t.Fatal("the span has not expired")
	}
	add(t, s, span)
	if got := spanNames(t, s, 1); len(got) != 1 {
		t.Errorf("stored %v", got)
	}
}

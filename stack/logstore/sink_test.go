package logstore

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// received adds a record of a service at epoch and returns it.
func received(ld plog.Logs, service, message string) plog.LogRecord {
	rl := ld.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", service)
	rec := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(epoch))
	rec.Body().SetStr(message)
	return rec
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list open files")
	}
	return len(entries)
}

// JSON has no NaN and no infinity; a record that holds them is stored as text.
func TestNumbersThatJSONDoesNotHave(t *testing.T) {
	s := openStore(t, t.TempDir())
	ld := plog.NewLogs()
	received(ld, "good", "fine")
	bad := received(ld, "bad", "a division by zero")
	bad.Attributes().PutDouble("ratio", math.NaN())
	inner := bad.Attributes().PutEmptyMap("map").PutEmptySlice("list")
	inner.AppendEmpty().SetDouble(math.Inf(1))
	inner.AppendEmpty().SetDouble(math.Inf(-1))
	if err := s.Append(ld); err != nil {
		t.Fatal(err)
	}
	var lines []string
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Each(t.Context(), Scan{From: epoch, To: epoch}, func(l Line) bool {
		lines = append(lines, string(l.Raw))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	if len(lines) != 2 || !strings.Contains(lines[0], `"map":{"list":["+Inf","-Inf"]}`) || !strings.Contains(lines[0], `"ratio":"NaN"`) {
		t.Errorf("%q", lines)
	}
}

// A record that cannot be stored costs itself only, and the answer counts it.
func TestRejectedRecordsCostThemselves(t *testing.T) {
	s := openStore(t, t.TempDir())
	ld := plog.NewLogs()
	received(ld, "a", "first")
	received(ld, "a", strings.Repeat("x", readChunk))
	deep := received(ld, "b", "deep").Attributes().PutEmptySlice("deep")
	for range maxDepth + 1 {
		deep = deep.AppendEmpty().SetEmptySlice()
	}
	received(ld, "b", "last")
	var rejected *otelcol.RejectedError
	if err := s.Append(ld); !errors.As(err, &rejected) || rejected.Count != 2 || rejected.Reason == "" {
		t.Errorf("%v, want 2 rejected", err)
	}
	if got := messages(t, s, Scan{Forward: true}); len(got) != 2 {
		t.Errorf("%d records are found, want 2: %.200q", len(got), got)
	}
}

// Neither the number of open files nor that of the files follows the number of
// service names that are sent.
func TestServiceNamesAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	before := openFiles(t)
	ld := plog.NewLogs()
	for i := range MaxServices + 500 {
		received(ld, fmt.Sprintf("pod-%04d", i), fmt.Sprintf("m%d", i))
	}
	if err := s.Append(ld); err != nil {
		t.Fatal(err)
	}
	if got := openFiles(t) - before; got > maxOpenFiles+5 { // and what Refresh reads meanwhile
		t.Errorf("%d files are open, want at most %d", got, maxOpenFiles)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != MaxServices+1 {
		t.Errorf("%d files, %v; want one per service and one for the others", len(files), err)
	}
	if got := messages(t, s, Scan{Forward: true}); len(got) != MaxServices+500 {
		t.Errorf("%d records are found", len(got))
	}
	services := s.Services(epoch, epoch)
	if len(services) != MaxServices+1 || !slices.Contains(services, OverflowService) {
		t.Errorf("%d services", len(services))
	}
	other := func(name string) bool { return name == OverflowService }
	var line string
	if err := s.Each(t.Context(), Scan{From: epoch, To: epoch, Service: other}, func(l Line) bool {
		line = string(l.Raw)
		return false
	}); err != nil || !strings.Contains(line, `"original_service":"pod-1`) {
		t.Errorf("%v %s", err, line)
	}
	// A service that has a file keeps it.
	again := plog.NewLogs()
	received(again, "pod-0000", "again")
	if err := s.Append(again); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "pod-0000"+currentSuffix)); err != nil || strings.Count(string(b), "\n") != 2 {
		t.Errorf("%v %s", err, b)
	}
}

// The disk that received records take does not follow the number of services.
func TestFilesOfManyServicesAreSmaller(t *testing.T) {
	k := &sink{services: map[string]*sinkFile{}, diskBytes: DefaultDiskBytes}
	if got := k.shareBytes(); got != maxShareBytes {
		t.Errorf("alone, a file has %d bytes", got)
	}
	for i := range MaxServices {
		k.services[fmt.Sprint(i)] = &sinkFile{name: fmt.Sprint(i)}
	}
	if got := k.shareBytes(); got != minShareBytes {
		t.Errorf("beside %d services, a file has %d bytes", MaxServices, got)
	}

	dir := t.TempDir()
	s := openStore(t, dir)
	s.sink.services = k.services
	for i := range 3 {
		ld := plog.NewLogs()
		for j := range 9 {
			received(ld, "1", fmt.Sprint(i, j)+strings.Repeat("x", 128<<10))
		}
		if err := s.Append(ld); err != nil {
			t.Fatal(err)
		}
	}
	filesAreSmall(t, dir)
}

// filesAreSmall checks that service 1 has a current file and rotated ones, none of them large.
func filesAreSmall(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "1.otlp*.jsonl"))
	if err != nil || len(files) < 2 {
		t.Errorf("%q, %v; want at least two files", files, err)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil || info.Size() > 2*minShareBytes {
			t.Errorf("%v, %v", info, err)
		}
	}
}

// A file that was closed for others is rotated like one that stayed open.
func TestFilesThatWereClosedAreRotated(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	for i := range MaxServices {
		s.sink.services[fmt.Sprint(i)] = &sinkFile{name: fmt.Sprint(i)}
	}
	for i := range 3 {
		ld := plog.NewLogs()
		first := received(ld, "1", fmt.Sprint(i)+strings.Repeat("x", 128<<10))
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for range 8 {
			first.CopyTo(records.AppendEmpty())
		}
		for j := range maxOpenFiles {
			received(ld, fmt.Sprint(j+2), fmt.Sprint("short ", i))
		}
		if err := s.Append(ld); err != nil {
			t.Fatal(err)
		}
	}
	filesAreSmall(t, dir)
}

// Only a whole request can be known to be sent again: two lines that are equal, with their
// times, may be two records, of one process or of two.
func TestEqualRecordsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	request := func(instance string, texts ...string) plog.Logs {
		ld := plog.NewLogs()
		for _, text := range texts {
			received(ld, "a", text)
		}
		for _, rl := range ld.ResourceLogs().All() {
			rl.Resource().Attributes().PutStr("service.instance.id", instance)
		}
		return ld
	}
	send := func(ld plog.Logs, want int) {
		t.Helper()
		if err := s.Append(ld); err != nil {
			t.Fatal(err)
		}
		if got := messages(t, s, Scan{Forward: true}); len(got) != want {
			t.Errorf("%d records are found, want %d", len(got), want)
		}
	}
	send(request("1", "miss", "miss"), 2)
	send(request("1", "miss", "miss"), 2) // sent again
	send(request("1", "miss", "other"), 4)
	send(request("2", "miss", "other"), 6) // another process
	send(request("2", "miss", "other"), 6)
	for range 2 { // equal but for the times of their arrival
		ld := plog.NewLogs()
		received(ld, "untimed", "x").SetTimestamp(0)
		if err := s.Append(ld); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "untimed"+currentSuffix)); err != nil || strings.Count(string(b), "\n") != 2 {
		t.Errorf("%v %s", err, b)
	}

	// The response to a request was lost with the process.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	send(request("1", "miss", "miss"), 6)
	send(request("1", "miss", "miss"), 6)
	send(request("3", "new", "new"), 8)
}

// Names that clean to the same file name are different services.
func TestServicesDoNotShareFiles(t *testing.T) {
	s := openStore(t, t.TempDir())
	ld := plog.NewLogs()
	long := strings.Repeat("n", 200)
	names := []string{"a.b", "a_b", "a/b", long + "1", long + "2"}
	for _, name := range names {
		received(ld, name, name)
	}
	if err := s.Append(ld); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		is := func(service string) bool { return service == name }
		if got := messages(t, s, Scan{Service: is}); len(got) != 1 || !strings.HasPrefix(got[0], name+`"`) {
			t.Errorf("%.20s: %d lines, %.300q", name, len(got), got)
		}
	}
}

// The files that a flood of names left behind are bounded at the next start;
// the services' own files stay.
func TestLeftOverFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	appendTo(t, filepath.Join(dir, "payment.jsonl"), line("payment", 1, "", "own"))
	old := time.Now().Add(-time.Hour)
	for i := range MaxServices + 200 {
		path := filepath.Join(dir, fmt.Sprintf("pod-%d%s", i, currentSuffix))
		appendTo(t, path, line("pod", 1, "", "left over"))
		if i < 200 {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := openStore(t, dir)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Files; n != MaxServices+1 {
		t.Errorf("%d files, want %d", n, MaxServices+1)
	}
	if _, err := os.Stat(filepath.Join(dir, "pod-0"+currentSuffix)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the oldest file stays: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "payment.jsonl")); err != nil {
		t.Error(err)
	}
}

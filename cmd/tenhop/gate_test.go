package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
)

const slowTrace, ordinaryTrace = "../../docs/your-fleet/file/slow.json", "../../docs/your-fleet/file/ordinary.json"

// The exit code tells a pipeline what was found.
func TestFailOn(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report.xml")
	for _, c := range []struct {
		flags string
		code  int
		says  string
	}{
		{"--fail-on spike,errors", exitDone, ""},
		{"--fail-on spike,unsure", exitFound, "found unsure"},
		{"--fail-on unsure --output junit=" + report, exitFound, "found unsure"},
		{"--traces missing.json", exitDone, ""},
		{"--traces missing.json --fail-on spike", exitFailed, "missing.json"},
		{"--before " + ordinaryTrace + " --before missing.json --fail-on spike,errors", exitFailed, "missing.json"},
		{"--traces missing.json --fail-on spike,unsure", exitFound, "found unsure"},
		{"--fail-on growth", exitUsage, "compares two versions"},
		{"--before " + ordinaryTrace + " --fail-on growth", exitFailed, "growth is not known"},
		{"--canary catalogue=2 --fail-on growth", exitFailed, "no request of catalogue"},
		{"--canary catalogue", exitUsage, "SERVICE=VERSION"},
		{"--fail-on slow", exitUsage, "must be one of"},
		{"--fail-on=", exitUsage, "--fail-on is empty"},
		{"--for 1m", exitUsage, "--fail-on"},
		{"--fail-on spike --for 1m", exitUsage, "files do not change"},
		{"--output pdf", exitUsage, "must be one of"},
		{"--output json --json", exitUsage, "give either"},
	} {
		var errs bytes.Buffer
		args := append([]string{"diagnose", "--traces", slowTrace}, strings.Fields(c.flags)...)
		if c.flags != "" && !strings.Contains(c.flags, "--output") {
			args = append(args, "--output", "text="+filepath.Join(t.TempDir(), "out"))
		}
		if code := runTo(context.Background(), &errs, args); code != c.code || !strings.Contains(errs.String(), c.says) {
			t.Errorf("%s: exit code %d, want %d with %q: %s", c.flags, code, c.code, c.says, errs.String())
		}
	}
	if b, err := os.ReadFile(report); err != nil || !bytes.Contains(b, []byte("<testsuites>")) || !bytes.Contains(b, []byte("tenhop.unsure")) {
		t.Errorf("%v: %s", err, b)
	}
}

// A watch whose back ends never answer fails after its time, and not before.
func TestForWithoutAnswer(t *testing.T) {
	g := gateFlags{failOn: []string{"spike"}, lasting: 200 * time.Millisecond}
	var said bytes.Buffer
	began := time.Now()
	_, err := g.diagnose(t.Context(), collect.Config{Prometheus: "http://127.0.0.1:1", Timeout: time.Second}, &said)
	if err == nil || time.Since(began) < g.lasting || strings.Count(said.String(), "try again") != 1 {
		t.Errorf("%v after %s: %s", err, time.Since(began), said.String())
	}
}

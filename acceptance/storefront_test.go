package acceptance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/waterfall"
)

// storefront is a running `tenhop up` in a directory of its own.
type storefront struct {
	t       *testing.T
	program string
	dir     string
	state   supervisor.State
	began   time.Time
	cmd     *exec.Cmd
	out     *bytes.Buffer
	ended   chan error

	quietSince time.Time // of the start
	liftedAt   time.Time // of the last fault
}

// build compiles the program under test.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "tenhop")
	cmd := exec.Command("go", "build", "-o", program, "github.com/tenhop/tenhop/cmd/tenhop")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// start runs `tenhop up` and waits until it says that it is ready.
func (s *storefront) start() {
	s.t.Helper()
	s.out, s.ended = &bytes.Buffer{}, make(chan error, 1)
	s.cmd = exec.Command(s.program, "up", "--free-ports", "--rps", "20")
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	s.t.Cleanup(func() { _ = s.cmd.Process.Signal(syscall.SIGTERM) })
	until(s.t, time.Minute, "up.json says ready", func() error {
		select {
		case err := <-s.ended:
			s.t.Fatalf("tenhop up ended: %v\n%s", err, s.out)
		default:
		}
		b, err := os.ReadFile(filepath.Join(s.dir, ".tenhop", "up.json"))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, &s.state); err != nil {
			return err
		}
		if s.state.ReadyAt == nil {
			return errors.New("starting")
		}
		return nil
	})
}

// run runs a verb in the storefront's directory and returns what it printed.
func (s *storefront) run(args ...string) (string, error) {
	cmd := exec.Command(s.program, args...)
	cmd.Dir = s.dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("tenhop %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func (s *storefront) must(args ...string) string {
	s.t.Helper()
	out, err := s.run(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *storefront) jaeger() waterfall.Jaeger {
	return waterfall.Jaeger{URL: s.state.Endpoints["jaeger"]}
}

// checkouts returns the traces of checkouts since a moment.
func (s *storefront) checkouts(ctx context.Context, since time.Time, limit int) ([]*waterfall.Trace, error) {
	return s.jaeger().Find(ctx, waterfall.Query{Service: "gateway", Operation: "POST /checkout", Since: time.Since(since), Limit: limit})
}

// diagnosis is the part of `tenhop diagnose --json` that is checked.
type diagnosis struct {
	Verdict  string  `json:"verdict"`
	Why      string  `json:"why"`
	AddedMS  float64 `json:"added_ms"`
	TookMS   float64 `json:"took_ms"`
	Findings []struct {
		Hop, Operation, Kind, Target string
		AddedMS                      float64 `json:"added_ms"`
		Share                        float64
	}
}

func (s *storefront) diagnose() diagnosis {
	s.t.Helper()
	var d diagnosis
	if err := json.Unmarshal([]byte(s.must("diagnose", "--json")), &d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// until waits for a condition and says why it did not come true.
func until(t *testing.T, within time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, within, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// figure prints a measured figure beside its target and fails when it misses.
func figure(t *testing.T, ok bool, what, target, format string, args ...any) {
	t.Helper()
	verdict := "ok"
	if !ok {
		verdict = "MISSED"
		t.Fail()
	}
	t.Logf("%-6s %-52s %s (target %s)", verdict, what, fmt.Sprintf(format, args...), target)
}

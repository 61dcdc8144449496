package supervisor

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// TestUp starts all processes, which are copies of the test binary that only
// answer health checks.
func TestUp(t *testing.T) {
	t.Setenv(roleVariable, "serve")
	var out strings.Builder
	cfg := Config{WorkDir: t.TempDir(), Program: os.Args[0], FreePorts: true, RPS: 20, Out: &out}
	s, err := Up(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	d, err := In(cfg.WorkDir)
	if err != nil {
		t.Fatal(err)
	}
	state, err := d.Read()
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(state.Endpoints, s.Endpoints()) || len(state.Endpoints) != len(endpoint.All()) || state.ReadyAt == nil || state.Token == "" {
		t.Errorf("up.json: %+v", state)
	}
	const others = 4 // broker, telemetry, load, supervisor
	if got, want := len(state.PIDs), len(services.Names())+others; got != want {
		t.Errorf("%d processes, want %d: %v", got, want, state.PIDs)
	}
	for name := range state.PIDs {
		if !state.running(name) {
			t.Errorf("%s does not run", name)
		}
	}
	status, err := d.Status(t.Context())
	if err != nil || !status.Ready || len(status.Services) != len(services.Names()) || len(status.Parts) != others || status.RSSBytes == 0 {
		t.Errorf("status: %+v, %v", status, err)
	}
	var held *HeldError
	if _, err := Up(t.Context(), cfg); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("a second Up: %v", err)
	}
	stop, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Close(stop); err != nil {
		t.Error(err)
	}
	for name := range state.PIDs {
		if name != supervisorName && state.running(name) {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := d.Read(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("up.json is left: %v", err)
	}
}

// TestUpThatFails leaves no process and no state.
func TestUpThatFails(t *testing.T) {
	t.Setenv(roleVariable, "broken")
	cfg := Config{WorkDir: t.TempDir(), Program: os.Args[0], FreePorts: true}
	if _, err := Up(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "exit status 3: the store cannot be read") {
		t.Errorf("Up: %v", err)
	}
	d, err := In(cfg.WorkDir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("up.json is left: %v", err)
	}
	var config *ConfigError
	if _, err := Up(t.Context(), Config{WorkDir: cfg.WorkDir, Kafka: "kafka"}); !errors.As(err, &config) || config.Field != "Kafka" {
		t.Errorf("an invalid configuration: %v", err)
	}
}

package console

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/drill/scenario"
)

// wait polls until the drill is in a phase.
func wait(t *testing.T, c *Console, phase string) DrillState {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s := decode[DrillState](t, do(c, "GET", "/api/drill", "")); s.Phase == phase {
			return s
		}
	}
	t.Fatalf("the drill did not come to %q: %+v", phase, c.drills.state)
	return DrillState{}
}

var auth = []string{"Authorization", "Bearer " + token}

func traffic(b *backends) {
	b.vectors["*hop_duration_seconds_sum"] = series(0.05) // what a drill's clock asks
}

func TestDrill(t *testing.T) {
	b := newBackends(t)
	traffic(b)
	file := filepath.Join(t.TempDir(), "drills.jsonl")
	c := newConsole(t, b, func(cfg *Config) { cfg.Drills = drill.NewHistory(file) })

	choices := decode[struct {
		Hops  map[string][]string
		Kinds []string
	}](t, do(c, "GET", "/api/drill/choices", ""))
	if len(choices.Hops) != 2 || choices.Hops["payment"][0] != "tenhop.v1.Payment/Charge" {
		t.Fatalf("choices = %+v", choices)
	}
	if w := do(c, "POST", "/api/drill/answer", `{"hop":"payment","operation":"x","kind":"self"}`, auth...); w.Code != 409 {
		t.Errorf("an answer before a drill: %d", w.Code)
	}
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 200 {
		t.Fatalf("start: %d %s", w.Code, w.Body)
	}
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 409 {
		t.Errorf("a second drill: %d, want 409", w.Code)
	}
	s := wait(t, c, phaseSearch)
	if w := do(c, "DELETE", "/api/faults", "", auth...); w.Code != 409 {
		t.Errorf("lifting by hand during a drill: %d, want 409", w.Code)
	}
	if w := do(c, "POST", "/api/drill/answer", `{"hop":"payment"}`, auth...); w.Code != 400 {
		t.Errorf("half an answer: %d, want 400", w.Code)
	}
	b.mu.Lock()
	var fault struct{ Operation string }
	err := json.Unmarshal([]byte(b.faults[0]), &fault)
	sealed := strings.Contains(b.faults[0], `"sealed":true`)
	b.mu.Unlock()
	if err != nil || !sealed {
		t.Fatalf("the fault is %v, sealed %v", err, sealed)
	}
	// Nothing that a page can read names the fault before the answer.
	state, _ := json.Marshal(s)
	if strings.Contains(string(state), fault.Operation) {
		t.Errorf("the state tells the answer: %s", state)
	}
	hop := map[string]string{"POST /checkout": "gateway", "tenhop.v1.Payment/Charge": "payment"}[fault.Operation]
	body, _ := json.Marshal(map[string]string{"hop": hop, "operation": fault.Operation, "kind": "self"})
	if w := do(c, "POST", "/api/drill/answer", string(body), auth...); w.Code != 200 {
		t.Fatalf("answer: %d %s", w.Code, w.Body)
	}
	s = wait(t, c, phaseIdle)
	if len(s.History) != 1 || !s.History[0].Round.Right() || s.History[0].Round.Seconds.Answered == nil || s.Error != "" {
		t.Errorf("history = %+v, error %q", s.History, s.Error)
	}
	b.mu.Lock()
	lifted := b.lifted
	b.mu.Unlock()
	if lifted != 1 {
		t.Errorf("the fault was lifted %d times", lifted)
	}
	again := newConsole(t, b, func(cfg *Config) { cfg.Drills = drill.NewHistory(file) })
	if s := decode[DrillState](t, do(again, "GET", "/api/drill", "")); len(s.History) != 1 {
		t.Errorf("after a restart the history is %+v", s.History)
	}
}

// A drill that is ended, or whose console ends, leaves no fault behind.
func TestDrillEnds(t *testing.T) {
	for name, end := range map[string]func(*Console){
		"by hand":     func(c *Console) { do(c, "DELETE", "/api/drill", "", auth...) },
		"by shutdown": func(c *Console) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackends(t)
			traffic(b)
			c := newConsole(t, b, nil)
			if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 200 {
				t.Fatal(w.Body)
			}
			wait(t, c, phaseSearch)
			end(c)
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.lifted != 1 {
				t.Errorf("lifted %d times, want once", b.lifted)
			}
			if c.drills.state.Phase != phaseIdle || !strings.Contains(c.drills.state.Error, "ended") {
				t.Errorf("state = %+v", c.drills.state)
			}
		})
	}
}

// A drill of `tenhop drill` is nobody else's to start beside or to lift.
func TestAnotherDrillRuns(t *testing.T) {
	b := newBackends(t)
	traffic(b)
	b.sealed = true
	c := newConsole(t, b, nil)
	if w := do(c, "DELETE", "/api/faults", "", auth...); w.Code != 409 || b.lifted != 0 {
		t.Errorf("lifting all: %d, %d lifted", w.Code, b.lifted)
	}
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 200 {
		t.Fatal(w.Body)
	}
	for c.drills.running() {
		time.Sleep(10 * time.Millisecond)
	}
	if s := wait(t, c, phaseIdle); !strings.Contains(s.Error, "another drill") || len(b.faults) != 0 {
		t.Errorf("error = %q, %d faults injected", s.Error, len(b.faults))
	}
}

func TestDrillWhoseFaultStays(t *testing.T) {
	b := newBackends(t)
	traffic(b)
	c := newConsole(t, b, nil)
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 200 {
		t.Fatal(w.Body)
	}
	wait(t, c, phaseSearch)
	b.mu.Lock()
	b.stuck = true
	b.mu.Unlock()
	do(c, "DELETE", "/api/drill", "", auth...)
	if s := wait(t, c, phaseIdle); !strings.Contains(s.Error, "not lifted") {
		t.Errorf("the page says %q", s.Error)
	}
	c.Close()
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 503 {
		t.Errorf("a drill after the end: %d, want 503", w.Code)
	}
}

// What `tenhop drill` adds is seen by pages that are open.
func TestHistoryOfOthersIsFollowed(t *testing.T) {
	h := drill.NewHistory(filepath.Join(t.TempDir(), "drills.jsonl"))
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Drills = h })
	s, leave, _ := c.live.subscribe()
	defer leave()
	c.live.unsent(s)
	if err := h.Append(drill.Record{At: time.Now(), Round: drill.Round{Fault: drill.Fault{Hop: "payment"}}}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, e := range c.live.unsent(s) {
			if e.name == "drill" && strings.Contains(string(e.data), `"hop":"payment"`) {
				return
			}
		}
	}
	t.Error("the page was not told")
}

func TestDrillWithoutTraffic(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	if w := do(c, "POST", "/api/drill", "", auth...); w.Code != 200 {
		t.Fatal(w.Body)
	}
	for range 500 {
		if !c.drills.running() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if s := wait(t, c, phaseIdle); !strings.Contains(s.Error, "nobody asks") {
		t.Errorf("error = %q, want what to do", s.Error)
	}
}

func TestDamagedHistory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "drills.jsonl")
	good := `{"at":"2026-11-23T15:00:00Z","round":{"round":1,"fault":{"kind":"latency","hop":"payment","operation":"x"}}}`
	if err := os.WriteFile(file, []byte(good+"\n{half\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Drills = drill.NewHistory(file) })
	if s := decode[DrillState](t, do(c, "GET", "/api/drill", "")); len(s.History) != 1 || s.History[0].Round.Fault.Hop != "payment" {
		t.Errorf("history = %+v", s.History)
	}
}

// TestDrillAnswers shows as many findings of an answer as there are faults, with what is scored.
func TestDrillAnswers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "drills.jsonl")
	const answer = `{"verdict":"spike","findings":[{"hop":"payment","instance":"payment-2","operation":"Charge","kind":"self","cause":{"kind":"cpu","why":"x"}},
		{"hop":"stock","operation":"Reserve","kind":"self"},{"hop":"cart","operation":"Get","kind":"self"}]}`
	var lines strings.Builder
	for i, expect := range []string{`[{"hop":"payment"},{"hop":"stock"}]`, `[{"hop":"payment"}]`, `[]`} {
		round := fmt.Sprintf(`{"at":"2026-11-23T15:0%d:00Z","round":{"round":1,"fault":{"kind":"latency","hop":"payment","operation":"Charge","expect":%s},"answer":%s}}`, i, expect, answer)
		lines.WriteString(strings.ReplaceAll(round, "\n", "") + "\n")
	}
	if err := os.WriteFile(file, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Drills = drill.NewHistory(file) })
	history := decode[DrillState](t, do(c, "GET", "/api/drill", "")).History
	if len(history) != 3 {
		t.Fatalf("history = %+v", history)
	}
	for i, want := range []int{1, 1, 2} { // the newest is the last line
		var a BriefAnswer
		if err := json.Unmarshal(history[i].Round.Answer, &a); err != nil || len(a.Findings) != want {
			t.Fatalf("answer %d is %s (%v), want %d findings", i, history[i].Round.Answer, err, want)
		}
		if f := a.Findings[0]; f.Instance != "payment-2" || f.Cause == nil || f.Cause.Kind != "cpu" {
			t.Errorf("the finding is %+v", f)
		}
	}
}

// The state of a drill is read by several pages while it changes. It shares nothing that any of
// them writes; the race detector tells.
func TestDrillIsReadWhileItChanges(t *testing.T) {
	h := drill.NewHistory(filepath.Join(t.TempDir(), "drills.jsonl"))
	for n := range 20 {
		fault := drill.Fault{Hop: "payment", Injected: []scenario.Fault{{Service: "payment"}}, Expect: []scenario.Answer{{Hop: "payment"}}}
		if err := h.Append(drill.Record{At: time.Now(), Round: drill.Round{Round: n, Fault: fault}}); err != nil {
			t.Fatal(err)
		}
	}
	c := newConsole(t, newBackends(t), func(cfg *Config) { cfg.Drills = h })
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				var s DrillState
				if err := json.Unmarshal(do(c, "GET", "/api/drill", "").Body.Bytes(), &s); err != nil || len(s.History) != 20 {
					t.Errorf("%d drills: %v", len(s.History), err)
				}
			}
		})
	}
	all.Go(func() {
		for range 200 {
			c.drills.change(func(s *DrillState) { s.Said = "round 1" })
		}
	})
	all.Wait()
}

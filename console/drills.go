package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/drill"
)

// Phases of a drill.
const (
	phaseIdle     = "idle"
	phaseQuiet    = "quiet"    // a baseline is gathered; nothing is wrong yet
	phaseSearch   = "search"   // a hop is slower; the clock runs
	phaseRecovery = "recovery" // answered; the fault is lifted
)

// DrillState is what every open page shows of the drill.
type DrillState struct {
	Phase   string         `json:"phase"`
	Said    string         `json:"said,omitempty"`
	Started *time.Time     `json:"started,omitempty"` // of the phase
	Error   string         `json:"error,omitempty"`   // what ended the last one
	History []drill.Record `json:"history"`           // newest first
}

// keptDrills bounds the history.
const keptDrills = 100

// drills runs one drill at a time.
type drills struct {
	console *Console
	history *drill.History

	mu      sync.Mutex
	closed  bool // no further drill starts
	state   DrillState
	cancel  context.CancelFunc
	done    chan struct{}
	answers chan drill.Guess
}

func newDrills(c *Console) (*drills, error) {
	d := &drills{console: c, history: c.cfg.Drills, answers: make(chan drill.Guess), state: DrillState{Phase: phaseIdle}}
	if d.history == nil {
		d.history = drill.NewHistory("")
	}
	if err := d.refresh(); err != nil {
		return nil, err
	}
	return d, c.live.publish(context.Background(), "drill", d.state)
}

// refresh reads the history, which `tenhop drill` adds to as well.
func (d *drills) refresh() error {
	records, err := d.history.Records()
	if err != nil {
		return err
	}
	records = records[max(0, len(records)-keptDrills):]
	slices.Reverse(records)
	for i := range records {
		records[i].Round.Answer = brief(records[i].Round.Answer)
		if i > 0 {
			records[i].Proof = nil // the page shows that of the newest
		}
	}
	d.state.History = append([]drill.Record{}, records...)
	return nil
}

// brief is what the page shows of an answer: a whole diagnosis is kilobytes.
func brief(answer json.RawMessage) json.RawMessage {
	var a struct {
		Verdict  string `json:"verdict,omitempty"`
		Findings []struct {
			Hop       string `json:"hop"`
			Operation string `json:"operation"`
			Kind      string `json:"kind"`
			Target    string `json:"target,omitempty"`
		} `json:"findings"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return nil
	}
	a.Findings = a.Findings[:min(len(a.Findings), 1)]
	b, err := json.Marshal(a)
	if err != nil {
		return nil
	}
	return b
}

// follow tells the pages of drills that `tenhop drill` has added.
func (d *drills) follow() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var newest time.Time
	if h := d.state.History; len(h) > 0 {
		newest = h[0].At
	}
	if err := d.refresh(); err != nil {
		d.console.cfg.Logger.Warn("read the drills", "error", err)
		return
	}
	if h := d.state.History; len(h) == 0 || h[0].At.Equal(newest) {
		return
	}
	if err := d.console.live.publish(context.Background(), "drill", d.state); err != nil {
		d.console.cfg.Logger.Error("tell pages about the drill", "error", err)
	}
}

// change updates the state and tells every page.
func (d *drills) change(f func(*DrillState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.state)
	if err := d.console.live.publish(context.Background(), "drill", d.state); err != nil {
		d.console.cfg.Logger.Error("tell pages about the drill", "error", err)
	}
}

func (s *DrillState) enter(phase string) {
	now := time.Now()
	s.Phase, s.Started = phase, &now
}

func (d *drills) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cancel != nil
}

// close ends a drill that runs, and lets no other one start.
func (d *drills) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
}

// stop ends a drill that runs and waits until its fault is lifted.
func (d *drills) stop() {
	d.mu.Lock()
	cancel, done := d.cancel, d.done
	d.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (c *Console) drillState(*http.Request) (any, error) {
	c.drills.mu.Lock()
	defer c.drills.mu.Unlock()
	err := c.drills.refresh()
	return c.drills.state, err
}

// drillChoices are the hops and operations that an answer may name.
func (c *Console) drillChoices(r *http.Request) (any, error) {
	s, err := c.storefront()
	if err != nil {
		return nil, err
	}
	hops, err := drill.Hops(r.Context(), c.cfg.Jaeger, s.Entry)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, h := range hops {
		out[h.Service] = append(out[h.Service], h.Operation)
	}
	return map[string]any{"hops": out, "kinds": []string{result.KindSelf, result.KindDependency, result.KindLink, result.KindQueue}}, nil
}

func (c *Console) startDrill(*http.Request) (any, error) {
	s, err := c.storefront()
	if err != nil {
		return nil, err
	}
	if !c.jaeger.configured() || !c.prom.configured() {
		return nil, &apiError{http.StatusServiceUnavailable, "a drill needs Jaeger and Prometheus"}
	}
	d := c.drills
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		return nil, &apiError{http.StatusConflict, "a drill runs already"}
	}
	if d.closed {
		return nil, &apiError{http.StatusServiceUnavailable, "the console is shutting down"}
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan struct{})
	// The quiet before a drill is counted from the end of the one before.
	if h := d.state.History; len(h) > 0 && h[0].At.After(s.Up) {
		s.Up = h[0].At
	}
	go d.run(ctx, s)
	return struct{}{}, nil
}

func (c *Console) endDrill(*http.Request) (any, error) {
	c.drills.stop()
	return struct{}{}, nil
}

// answerDrill takes the answer: hop, operation, kind.
func (c *Console) answerDrill(r *http.Request) (any, error) {
	var in struct {
		Hop       string `json:"hop"`
		Operation string `json:"operation"`
		Kind      string `json:"kind"`
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Hop == "" || in.Operation == "" || in.Kind == "" {
		return nil, badRequest("an answer names a hop, an operation and a kind")
	}
	select {
	case c.drills.answers <- drill.Guess{Hop: in.Hop, Operation: in.Operation, Kind: in.Kind}:
		return struct{}{}, nil
	case <-time.After(time.Second):
		return nil, &apiError{http.StatusConflict, "no drill waits for an answer"}
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// quietBefore is how much of the time before the fault the diagnosis that proves
// an answer looks at: little more than a drill waits for, so that the spike of
// a drill before is no part of it.
const quietBefore = 100 * time.Second

// run is one drill from the quiet before it to the recovery.
func (d *drills) run(ctx context.Context, s Storefront) {
	c := d.console
	proofs := make(chan json.RawMessage, 1)
	cfg := drill.Config{Faults: s.Faults, Jaeger: c.cfg.Jaeger, Prometheus: c.cfg.Prometheus, Entry: s.Entry, Up: s.Up,
		Rounds: 1, Seed: rand.Uint64(),
		Say: func(format string, args ...any) {
			d.change(func(st *DrillState) { st.Said = fmt.Sprintf(format, args...) })
		},
		Human: func(ctx context.Context, _ []string) (drill.Guess, error) {
			d.change(func(st *DrillState) { st.enter(phaseSearch) })
			began := time.Now()
			select {
			case <-ctx.Done():
				if errors.Is(ctx.Err(), context.DeadlineExceeded) { // nobody answered
					d.change(func(st *DrillState) { st.enter(phaseRecovery) })
				}
				return drill.Guess{}, ctx.Err()
			case guess := <-d.answers:
				// The fault is still in force; the clock does not wait for this.
				go func() { proofs <- d.proof(ctx, s, time.Since(began)+quietBefore) }()
				d.change(func(st *DrillState) { st.enter(phaseRecovery) })
				return guess, nil
			}
		},
	}
	d.change(func(st *DrillState) { st.enter(phaseQuiet); st.Said, st.Error = "", "" })
	rounds, err := drill.Run(ctx, cfg)
	for _, r := range rounds {
		e := drill.Record{At: time.Now(), Round: r}
		if r.Seconds.Answered != nil {
			e.Proof = <-proofs
		}
		err = errors.Join(err, d.history.Append(e))
	}
	d.change(func(st *DrillState) {
		st.Phase, st.Started, st.Said = phaseIdle, nil, ""
		err = errors.Join(err, d.refresh())
		switch {
		case errors.Is(err, context.Canceled) && !errors.Is(err, drill.ErrNotLifted):
			st.Error = "the drill was ended; its fault is lifted"
		case err != nil:
			st.Error = err.Error()
		}
	})
	d.mu.Lock()
	d.cancel()
	d.cancel = nil
	close(d.done)
	d.mu.Unlock()
}

// proofTries and proofPause bound the proof to about the time of the recovery.
const (
	proofTries = 5
	proofPause = 2 * time.Second
)

// proof is what the diagnosis says; nil when it cannot be asked. A person who
// answers within a scrape or two of the injection is ahead of the metrics, so a
// diagnosis that sees nothing yet is asked again.
func (d *drills) proof(ctx context.Context, s Storefront, since time.Duration) json.RawMessage {
	var proof json.RawMessage
	for try := range proofTries {
		if try > 0 {
			select {
			case <-time.After(proofPause):
			case <-ctx.Done():
				return proof
			}
		}
		res, err := d.console.runDiagnosis(context.WithoutCancel(ctx), s.Entry.Operation, since+time.Duration(try)*proofPause)
		var b json.RawMessage
		if err == nil {
			b, err = json.Marshal(res)
		}
		if err != nil {
			d.console.cfg.Logger.Warn("diagnose for the proof of a drill", "error", err)
			continue
		}
		proof = b
		if len(res.Findings) > 0 {
			break
		}
	}
	return proof
}

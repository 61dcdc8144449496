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
	phaseQuiet    = "quiet"    // the baseline is recorded; no fault yet
	phaseSearch   = "search"   // the fault is in force; the clock runs
	phaseRecovery = "recovery" // answered; the fault is lifted
)

// DrillState holds the state of the drill and the drills before it.
type DrillState struct {
	Phase   string         `json:"phase"` // idle, quiet, search or recovery
	Said    string         `json:"said,omitempty"`
	Started *time.Time     `json:"started,omitempty"` // of the phase
	Error   string         `json:"error,omitempty"`   // why the last drill ended early
	History []drill.Record `json:"history"`           // newest first
}

// keptDrills is the maximum number of drills that the page shows.
const keptDrills = 100

// drills runs one drill at a time.
type drills struct {
	console *Console
	history *drill.History

	mu      sync.Mutex
	closed  bool // no drill may start
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

// refresh reads the history, to which `tenhop drill` appends as well. The state gets copies
// without nil lists: readers of the state, which have it without mu, and those of the history
// find nothing to change.
func (d *drills) refresh() error {
	records, err := d.history.Records()
	if err != nil {
		return err
	}
	records = records[max(0, len(records)-keptDrills):]
	slices.Reverse(records)
	for i := range records {
		records[i].Round.Answer = brief(records[i].Round.Answer, len(records[i].Round.Fault.Expect))
		if i > 0 {
			records[i].Proof = nil // the page shows only the newest proof
		} else {
			records[i].Proof = complete(records[i].Proof)
		}
	}
	d.state.History = filled(copied(append([]drill.Record{}, records...)))
	return nil
}

// BriefAnswer holds the fields of an answer that the page shows, since a complete
// diagnosis has several kilobytes.
type BriefAnswer struct {
	Verdict  string         `json:"verdict,omitempty"`
	Findings []BriefFinding `json:"findings"` // at most one per fault
}

// BriefFinding holds one of the first findings of an answer.
type BriefFinding struct {
	Hop       string      `json:"hop"`
	Instance  string      `json:"instance,omitempty"`
	Operation string      `json:"operation"`
	Kind      string      `json:"kind"`
	Target    string      `json:"target,omitempty"`
	Cause     *BriefCause `json:"cause,omitempty"`
}

// BriefCause holds the kind of a cause.
type BriefCause struct {
	Kind string `json:"kind"`
}

// brief reduces the answer to a number of faults to a BriefAnswer. It returns nil if there is
// none.
func brief(answer json.RawMessage, faults int) json.RawMessage {
	var a *BriefAnswer
	if json.Unmarshal(answer, &a) != nil || a == nil {
		return nil
	}
	a.Findings = a.Findings[:min(len(a.Findings), max(faults, 1))]
	return encode(filled(a))
}

// complete replaces the null lists of a recorded diagnosis by empty ones. It
// returns nil if there is none.
func complete(diagnosis json.RawMessage) json.RawMessage {
	var res *result.Result
	if json.Unmarshal(diagnosis, &res) != nil || res == nil {
		return nil
	}
	return encode(filled(res))
}

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// follow publishes drills that `tenhop drill` has added to the history.
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
		d.console.cfg.Logger.Error("publish the state of the drill", "error", err)
	}
}

// change updates and publishes the state.
func (d *drills) change(f func(*DrillState)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.state)
	if err := d.console.live.publish(context.Background(), "drill", d.state); err != nil {
		d.console.cfg.Logger.Error("publish the state of the drill", "error", err)
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

// close ends a running drill and prevents new ones.
func (d *drills) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
}

// stop ends a running drill and waits until its fault is removed.
func (d *drills) stop() {
	d.mu.Lock()
	cancel, done := d.cancel, d.done
	d.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

func (c *Console) drillState(*http.Request) (DrillState, error) {
	c.drills.mu.Lock()
	defer c.drills.mu.Unlock()
	err := c.drills.refresh()
	return c.drills.state, err
}

// DrillChoices lists the hops, operations and kinds that an answer may contain.
type DrillChoices struct {
	Hops  map[string][]string `json:"hops"`
	Kinds []string            `json:"kinds"`
}

func (c *Console) drillChoices(r *http.Request) (DrillChoices, error) {
	s, err := c.storefront()
	if err != nil {
		return DrillChoices{}, err
	}
	from, err := c.tracer()
	if err != nil {
		return DrillChoices{}, err
	}
	hops, err := drill.Hops(r.Context(), from, s.Entry)
	if err != nil {
		return DrillChoices{}, err
	}
	out := map[string][]string{}
	for _, h := range hops {
		out[h.Service] = append(out[h.Service], h.Operation)
	}
	return DrillChoices{out, []string{result.KindSelf, result.KindDependency, result.KindLink, result.KindQueue}}, nil
}

func (c *Console) startDrill(*http.Request) (Done, error) {
	s, err := c.storefront()
	if err != nil {
		return Done{}, err
	}
	if c.traces == nil || !c.prom.configured() {
		return Done{}, &apiError{http.StatusServiceUnavailable, "a drill needs Prometheus, and Jaeger or Tempo"}
	}
	d := c.drills
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		return Done{}, &apiError{http.StatusConflict, "a drill is already running"}
	}
	if d.closed {
		return Done{}, &apiError{http.StatusServiceUnavailable, "the console is shutting down"}
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan struct{})
	// The baseline of a drill begins after the drill before it.
	if h := d.state.History; len(h) > 0 && h[0].At.After(s.Up) {
		s.Up = h[0].At
	}
	go d.run(ctx, s)
	return Done{}, nil
}

func (c *Console) endDrill(*http.Request) (Done, error) {
	c.drills.stop()
	return Done{}, nil
}

// DrillAnswer is a person's answer to a drill.
type DrillAnswer struct {
	Hop       string `json:"hop"`
	Operation string `json:"operation"`
	Kind      string `json:"kind"`
}

func (c *Console) answerDrill(r *http.Request, in DrillAnswer) (Done, error) {
	if in.Hop == "" || in.Operation == "" || in.Kind == "" {
		return Done{}, badRequest("an answer needs a hop, an operation and a kind")
	}
	select {
	case c.drills.answers <- drill.Guess{Hop: in.Hop, Operation: in.Operation, Kind: in.Kind}:
		return Done{}, nil
	case <-time.After(time.Second):
		return Done{}, &apiError{http.StatusConflict, "no drill is waiting for an answer"}
	case <-r.Context().Done():
		return Done{}, r.Context().Err()
	}
}

// quietBefore is the time before the fault that the diagnosis for the proof covers. It
// is only slightly longer than the baseline of a drill, so it excludes the spike of the
// previous drill.
const quietBefore = 100 * time.Second

// run runs one drill, from its baseline to the recovery.
func (d *drills) run(ctx context.Context, s Storefront) {
	c := d.console
	proofs := make(chan json.RawMessage, 1)
	cfg := drill.Config{Faults: s.Faults, Jaeger: c.cfg.Jaeger, Tempo: c.cfg.Tempo, Prometheus: c.cfg.Prometheus,
		Clients: c.cfg.Clients, Entry: s.Entry, Up: s.Up,
		Rounds: 1, Seed: rand.Uint64(),
		Say: func(format string, args ...any) {
			d.change(func(st *DrillState) { st.Said = fmt.Sprintf(format, args...) })
		},
		Human: func(ctx context.Context, _ drill.Choices) (drill.Person, error) {
			d.change(func(st *DrillState) { st.enter(phaseSearch) })
			began := time.Now()
			select {
			case <-ctx.Done():
				if errors.Is(ctx.Err(), context.DeadlineExceeded) { // without an answer
					d.change(func(st *DrillState) { st.enter(phaseRecovery) })
				}
				return drill.Person{}, ctx.Err()
			case guess := <-d.answers:
				// The fault is still active. The time to answer does not include the proof.
				go func() { proofs <- d.proof(ctx, s, time.Since(began)+quietBefore) }()
				d.change(func(st *DrillState) { st.enter(phaseRecovery) })
				return drill.Person{Named: []drill.Guess{guess}}, nil
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

// proofTries and proofPause limit the proof to about the time of the recovery.
const (
	proofTries = 5
	proofPause = 2 * time.Second
)

// proof returns the diagnosis of the fault, or nil if it fails. After an answer within
// a scrape or two of the injection, the metrics do not show the fault yet, so a
// diagnosis without findings is repeated.
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
		res, err := d.console.runDiagnosis(context.WithoutCancel(ctx), question{entry: s.Entry.Operation, since: since + time.Duration(try)*proofPause})
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

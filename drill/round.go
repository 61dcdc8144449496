package drill

import (
	"encoding/json"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Round is the result of one drill, as printed by `tenhop drill --json`. Fields may be
// added and are never renamed.
type Round struct {
	Round          int             `json:"round"`
	Fault          Fault           `json:"fault"`
	Answer         json.RawMessage `json:"answer"` // output of `tenhop diagnose --json`, or the person's answer in the same form
	RightHop       bool            `json:"right_hop"`
	RightOperation bool            `json:"right_operation"`
	RightKind      bool            `json:"right_kind"`
	Seconds        Seconds         `json:"seconds"`
	Foreseen       *Foreseen       `json:"foreseen,omitempty"` // set if the answer named the right hop and predicted a p95
	Error          string          `json:"error,omitempty"`    // reason why there is no answer
}

// Fault describes an injected fault.
type Fault struct {
	Kind      string         `json:"kind"`
	Hop       string         `json:"hop"`
	Operation string         `json:"operation"`
	Latency   chaos.Duration `json:"latency,omitempty"`
}

// Seconds holds the times of events in seconds since the injection. Recovered counts from
// Lifted. A field is nil if the event did not happen.
type Seconds struct {
	Moved     *float64 `json:"moved"`     // the entry's mean has risen by half the injected latency
	Alerted   *float64 `json:"alerted"`   // an alert fires that did not fire before
	Answered  *float64 `json:"answered"`  // a hop was named
	Lifted    *float64 `json:"lifted"`    // the fault was lifted
	Recovered *float64 `json:"recovered"` // the entry's mean is back at its baseline
}

// Right reports whether hop, operation and kind are right.
func (r Round) Right() bool { return r.RightHop && r.RightOperation && r.RightKind }

// answer is the part of a diagnosis that is scored.
type answer struct {
	Verdict  string `json:"verdict"`
	Findings []struct {
		Hop       string  `json:"hop"`
		Operation string  `json:"operation"`
		Kind      string  `json:"kind"`
		Target    string  `json:"target"`
		Share     float64 `json:"share"`

		CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms"`
	} `json:"findings"`
}

func (a answer) found() bool { return a.Verdict == "spike" && len(a.Findings) > 0 }

// score compares an answer with the injected fault. The right kind is self. A hop without
// self-time metrics may instead be the target of its caller's wait.
func (r *Round) score(a answer) {
	if !a.found() {
		return
	}
	top := a.Findings[0]
	own := top.Hop == r.Fault.Hop
	waited := top.Kind == "dependency" && top.Target == r.Fault.Hop
	r.RightHop = own || waited
	r.RightOperation = waited || (own && top.Operation == r.Fault.Operation)
	r.RightKind = (own && top.Kind == "self") || waited
}

// since returns the seconds since t.
func since(t time.Time) *float64 {
	s := float64(time.Since(t).Milliseconds()) / 1000
	return &s
}

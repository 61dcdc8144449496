package drill

import (
	"encoding/json"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Round is one drill, as `tenhop drill --json` prints it. Fields may be added,
// never renamed.
type Round struct {
	Round          int             `json:"round"`
	Fault          Fault           `json:"fault"`
	Answer         json.RawMessage `json:"answer"` // what `tenhop diagnose --json` said, or the person's answer
	RightHop       bool            `json:"right_hop"`
	RightOperation bool            `json:"right_operation"`
	RightKind      bool            `json:"right_kind"`
	Seconds        Seconds         `json:"seconds"`
	Foreseen       *Foreseen       `json:"foreseen,omitempty"` // of a right answer that said what the p95 would be
	Error          string          `json:"error,omitempty"`    // why the round did not come to an answer
}

// Fault describes an injected fault.
type Fault struct {
	Kind      string         `json:"kind"`
	Hop       string         `json:"hop"`
	Operation string         `json:"operation"`
	Latency   chaos.Duration `json:"latency,omitempty"`
}

// Seconds are the times of a round since the injection; null for what did not
// happen. Recovered counts from the lifting.
type Seconds struct {
	Moved     *float64 `json:"moved"`     // the entry's mean has left its baseline: customers see it
	Alerted   *float64 `json:"alerted"`   // the first alert fires that did not before
	Answered  *float64 `json:"answered"`  // the diagnosis has named a hop
	Lifted    *float64 `json:"lifted"`    // the fault is gone
	Recovered *float64 `json:"recovered"` // the entry's mean is back, since lifted
}

// Right reports whether the whole answer is.
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

// score compares an answer with what was injected. A delay inside a hop is self
// time; a hop that does not measure its own self time (legacy) is named by its
// caller's wait for it, which is as right.
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

func since(t time.Time) *float64 {
	s := float64(time.Since(t).Milliseconds()) / 1000
	return &s
}

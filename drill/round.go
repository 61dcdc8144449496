package drill

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
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
	RightInstance  *bool           `json:"right_instance,omitempty"` // set if one instance of several had the fault
	RightCause     *bool           `json:"right_cause,omitempty"`    // set if the fault has a cause that can be known
	Void           string          `json:"void,omitempty"`           // reason why the round does not count
	Seconds        Seconds         `json:"seconds"`
	Foreseen       *Foreseen       `json:"foreseen,omitempty"` // set if the answer named the right hop and predicted a p95
	Error          string          `json:"error,omitempty"`    // reason why there is no answer
}

// Fault describes an injected fault.
type Fault struct {
	Kind      string         `json:"kind"`
	Hop       string         `json:"hop"`
	Operation string         `json:"operation"`          // "" if the fault was that of a process
	Instance  string         `json:"instance,omitempty"` // process, if not all of the service had the fault
	Latency   chaos.Duration `json:"latency,omitempty"`
	Percent   float64        `json:"percent,omitempty"` // of the operation's requests
}

// String returns the fault in a few words, such as "latency 500ms at payment Charge".
func (f Fault) String() string {
	if f.Kind == Control {
		return "nothing"
	}
	words := []string{f.Kind}
	if f.Latency > 0 {
		words = append(words, time.Duration(f.Latency).String())
	}
	if f.Percent > 0 && f.Percent < 100 {
		words = append(words, fmt.Sprintf("of %v %%", f.Percent))
	}
	words = append(words, "at", cmp.Or(f.Instance, f.Hop))
	if f.Operation != "" {
		words = append(words, f.Operation)
	}
	return strings.Join(words, " ")
}

// Seconds holds the times of events in seconds since the injection. Recovered counts from
// Lifted. A field is nil if the event did not happen.
type Seconds struct {
	Moved     *float64 `json:"moved"`     // customers feel it: the entry's mean or its failures have risen
	Alerted   *float64 `json:"alerted"`   // an alert fires that did not fire before
	Answered  *float64 `json:"answered"`  // a hop was named
	Lifted    *float64 `json:"lifted"`    // the fault was lifted
	Recovered *float64 `json:"recovered"` // the entry's mean is back at its baseline
}

// Right reports whether hop, operation and kind are right, and instance and cause if there
// are any.
func (r Round) Right() bool {
	return r.RightHop && r.RightOperation && r.RightKind &&
		(r.RightInstance == nil || *r.RightInstance) && (r.RightCause == nil || *r.RightCause)
}

// answer is the part of a diagnosis that is scored.
type answer struct {
	Verdict  string `json:"verdict"`
	Findings []struct {
		Hop       string  `json:"hop"`
		Operation string  `json:"operation"`
		Kind      string  `json:"kind"`
		Target    string  `json:"target"`
		Instance  string  `json:"instance"`
		Share     float64 `json:"share"`
		Cause     struct {
			Kind string `json:"kind"`
		} `json:"cause"`

		CounterfactualP95 *[2]float64 `json:"counterfactual_p95_ms"`
	} `json:"findings"`
}

// found reports whether the answer names a hop.
func (a answer) found() bool {
	return (a.Verdict == "spike" || a.Verdict == "errors") && len(a.Findings) > 0
}

// since returns the seconds since t.
func since(t time.Time) *float64 {
	s := float64(time.Since(t).Milliseconds()) / 1000
	return &s
}

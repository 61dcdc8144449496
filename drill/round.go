package drill

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/drill/seal"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// Round is the result of one drill, as printed by `tenhop drill --json`. Fields may be
// added and are never renamed.
type Round struct {
	Round          int             `json:"round"`
	At             time.Time       `json:"at,omitzero"`    // of the injection
	By             string          `json:"by,omitempty"`   // ByDiagnosis or ByPerson
	Seed           uint64          `json:"seed,omitempty"` // selects the fault, with Round; without meaning for a scenario
	Seal           *seal.Seal      `json:"seal,omitempty"` // of Fault; its hash was published before the round
	Fault          Fault           `json:"fault"`
	Answer         json.RawMessage `json:"answer"` // output of `tenhop diagnose --json`, or the person's answer in the same form
	RightHop       bool            `json:"right_hop"`
	RightOperation bool            `json:"right_operation"`
	RightKind      bool            `json:"right_kind"`
	RightInstance  *bool           `json:"right_instance,omitempty"`  // set if one instance of several had the fault; nil for a person
	RightCause     *bool           `json:"right_cause,omitempty"`     // set if the fault has a cause that can be known
	RightAttribute *bool           `json:"right_attribute,omitempty"` // set if only requests with an attribute had the fault; nil for a person
	Half           bool            `json:"half,omitempty"`            // some of several faults were named; the round is wrong
	Rankers        []Ranker        `json:"rankers,omitempty"`         // answers of simple methods, from the same metrics
	Hints          int             `json:"hints,omitempty"`           // number of hints that the person took
	GaveUp         bool            `json:"gave_up,omitempty"`         // the person gave up
	Void           string          `json:"void,omitempty"`            // reason why the round does not count
	Seconds        Seconds         `json:"seconds"`
	Foreseen       *Foreseen       `json:"foreseen,omitempty"` // set if the answer named the right hop and predicted a p95
	Error          string          `json:"error,omitempty"`    // reason why there is no answer
}

// Values of Round.By.
const (
	ByDiagnosis = "diagnosis"
	ByPerson    = "person"
)

// Fault describes what was injected, and the answers that are right. It is sealed before the
// round. Kind, Hop, Operation, Instance, Latency and Percent are those of the first fault,
// except that Kind may be Two.
type Fault struct {
	Kind      string         `json:"kind"`
	Hop       string         `json:"hop"`
	Operation string         `json:"operation"`          // "" if the fault was that of a process
	Instance  string         `json:"instance,omitempty"` // process, if not all of the service had the fault
	Latency   chaos.Duration `json:"latency,omitempty"`
	Percent   float64        `json:"percent,omitempty"` // of the operation's requests

	Scenario string            `json:"scenario,omitempty"` // name
	Injected []scenario.Fault  `json:"injected,omitempty"`
	Expect   []scenario.Answer `json:"expect,omitempty"` // empty: nothing must be named
}

// String returns the fault in a few words, such as "latency 500ms at payment Charge".
func (f Fault) String() string {
	if f.Kind == Control && len(f.Injected) == 0 {
		return "nothing"
	}
	if len(f.Injected) > 1 {
		var all []string
		for _, in := range f.Injected {
			all = append(all, Fault{Kind: in.Kind, Hop: in.Service, Operation: in.Operation, Latency: in.Latency, Percent: in.Percent}.String())
		}
		return strings.Join(all, ", ")
	}
	if f.Kind == Control {
		f.Hop, f.Kind, f.Latency, f.Operation = f.Injected[0].Service, f.Injected[0].Kind, f.Injected[0].Latency, f.Injected[0].Operation
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
	Moved     *float64 `json:"moved"`             // customers feel it: the entry's mean or its failures have risen
	Alerted   *float64 `json:"alerted"`           // an alert fires that did not fire before
	Answered  *float64 `json:"answered"`          // a hop was named
	Penalty   *float64 `json:"penalty,omitempty"` // added to Answered for the hints that the person took
	Lifted    *float64 `json:"lifted"`            // the fault was lifted
	Recovered *float64 `json:"recovered"`         // the entry's mean is back at its baseline
}

// Right reports whether hop, operation and kind are right, and instance, cause and attribute
// if there are any.
func (r Round) Right() bool {
	return r.RightHop && r.RightOperation && r.RightKind && (r.RightInstance == nil || *r.RightInstance) &&
		(r.RightCause == nil || *r.RightCause) && (r.RightAttribute == nil || *r.RightAttribute)
}

// Wrong returns the names of the parts of the answer that are wrong.
func (r Round) Wrong() []string {
	var out []string
	for _, part := range []struct {
		name  string
		right *bool
	}{{"hop", &r.RightHop}, {"operation", &r.RightOperation}, {"kind", &r.RightKind}, {"instance", r.RightInstance},
		{"cause", r.RightCause}, {"attribute", r.RightAttribute}} {
		if part.right != nil && !*part.right {
			out = append(out, part.name)
		}
	}
	return out
}

// scored reports whether the search is over. Such a round counts, with or without an answer,
// even if its recovery was interrupted.
func (r Round) scored() bool {
	return r.Seconds.Answered != nil || r.Error != "" || r.Void != "" || r.Seconds.Lifted != nil
}

// since returns the seconds since t.
func since(t time.Time) *float64 {
	s := float64(time.Since(t).Milliseconds()) / 1000
	return &s
}

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind describes a kind of fault.
type Kind struct {
	Name    string   `json:"name"`
	Does    string   `json:"does"`             // effect, one sentence
	Symptom string   `json:"symptom"`          // signals that change
	Cause   string   `json:"cause"`            // kind of cause that a diagnosis should name
	Fields  []string `json:"fields,omitempty"` // fields of Fault, besides Kind and For, that the kind uses
	Process bool     `json:"process"`          // affects the process, not single requests

	// Operations are those that the fault affects, if it does not affect all of the service.
	Operations []string `json:"operations,omitempty"`

	Example Fault `json:"example"` // a fault of the kind
}

// kind is a Kind with its implementation. A kind without request and process is a switch,
// which the service asks for with Injector.On.
type kind struct {
	Kind

	// statements reports that the fault affects the statements of the service's store.
	statements bool

	// check reports what is wrong with the fields that the kind uses. It may be nil.
	check func(Fault) error

	// request applies the fault to a request. roll returns a random number in [0, 1).
	request func(ctx context.Context, a active, roll func() float64) error

	// process begins the fault, which ends when ctx is done.
	// It is called with the Injector's lock held.
	process func(ctx context.Context, i *Injector, f Fault) error
}

// kinds returns all kinds. Each has a file of its own.
func kinds() []kind {
	return []kind{latencyKind, errorKind, hangKind, cpuKind, mutexKind, goroutinesKind, gcKind, leakKind, throttleKind,
		poolKind, storeLockKind, slowQueryKind, freezeKind, exitKind}
}

// Kinds returns the kinds of fault.
func Kinds() []Kind {
	var out []Kind
	for _, k := range kinds() {
		out = append(out, k.Kind)
	}
	return out
}

// kindNames joins the names of kinds.
func kindNames(kinds []Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

// ofRequests lists the fields that select requests.
var ofRequests = []string{"operation", "dependency", "match", "percent"}

// accepts reports the first field of a fault that the kind does not use, or that has a
// wrong value.
func (k kind) accepts(f Fault) error {
	given := map[string]bool{"latency": f.Latency != 0, "jitter": f.Jitter != 0, "bytes": f.Bytes != 0, "factor": f.Factor != 0, "code": f.Code != "",
		"operation": f.Operation != "", "dependency": f.Dependency != "", "match": len(f.Match) > 0, "percent": f.Percent != 0 && f.Percent != 100}
	for _, field := range []string{"latency", "jitter", "bytes", "factor", "code", "operation", "dependency", "match", "percent"} {
		if !given[field] || slices.Contains(k.Fields, field) {
			continue
		}
		if k.Process && slices.Contains(ofRequests, field) {
			return fmt.Errorf("%s affects the whole process; leave out %s", k.Name, field)
		}
		return fmt.Errorf("%s does not use %s", k.Name, field)
	}
	if k.check == nil {
		return nil
	}
	return k.check(f)
}

// bounded requires a latency above 0 and at most longest.
func bounded(longest time.Duration) func(Fault) error {
	return func(f Fault) error {
		if f.Latency <= 0 || f.Latency > Duration(longest) {
			return fmt.Errorf("latency must be above 0 and at most %s", longest)
		}
		return nil
	}
}

// ends requires a time after which the fault ends by itself.
func ends(f Fault) error {
	if f.For <= 0 {
		return errors.New("for is required: the process may not be able to lift the fault")
	}
	return nil
}

// sleep waits until d has passed or ctx is done, and reports whether d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

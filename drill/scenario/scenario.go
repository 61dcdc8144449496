// Package scenario reads exercises for drills: faults with the times at which they begin
// and end, and the answers that are right. They are YAML files; some are built in.
package scenario

import (
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// Scenario is an exercise.
type Scenario struct {
	Name        string         `json:"name"`        // lower-case words joined by hyphens
	Description string         `json:"description"` // one sentence; it gives the answer away
	Look        string         `json:"look"`        // what a learner should look at
	Entry       string         `json:"entry"`       // operation of the gateway that customers feel it at; POST /checkout if empty
	Replicas    map[string]int `json:"replicas"`    // minimum number of instances by service
	Faults      []Fault        `json:"faults"`      // none is a control
	Expect      []Answer       `json:"expect"`      // what must be named; nothing must be if it is empty
}

// Fault is a fault of a scenario, with its times. For limits one occurrence.
type Fault struct {
	Service string `json:"service"` // service, or process such as payment-2
	chaos.Fault
	At    chaos.Duration `json:"at,omitempty"`    // begins so long after the first fault of the round
	Every chaos.Duration `json:"every,omitempty"` // is injected again so long after the last time; once if zero
	Ramp  chaos.Duration `json:"ramp,omitempty"`  // latency grows from a tenth to all of it within this time
}

// rampSteps is the number of steps of a ramp.
const rampSteps = 10

// Steps returns the faults whose sum is the ramp, or f itself.
func (f Fault) Steps() []Fault {
	if f.Ramp == 0 {
		return []Fault{f}
	}
	var out []Fault
	for i := range rampSteps {
		step := f
		step.Ramp = 0
		step.Latency = f.Latency / rampSteps
		step.At += f.Ramp * chaos.Duration(i) / (rampSteps - 1)
		out = append(out, step)
	}
	return out
}

// Answer lists what a right answer names for one cause of the trouble.
type Answer struct {
	Hop        string            `json:"hop"`
	Operation  string            `json:"operation,omitempty"`  // any if empty
	Instance   string            `json:"instance,omitempty"`   // of several; any if empty
	Kinds      []string          `json:"kinds,omitempty"`      // kinds of finding, one of which is right; any if empty
	Causes     []string          `json:"causes,omitempty"`     // kinds of cause, one of which is right; any if empty
	Attributes map[string]string `json:"attributes,omitempty"` // of the requests that are slow or fail
}

// Known lists the services that a scenario may name, with their operations.
type Known map[string][]string

// FindingKinds returns the kinds of finding that an Answer may have.
func FindingKinds() []string {
	return []string{result.KindSelf, result.KindDependency, result.KindLink, result.KindQueue, result.KindErrors, result.KindCalls,
		result.KindMix, result.KindFlow, result.KindConcurrency}
}

// CauseKinds returns the kinds of cause that an Answer may have.
func CauseKinds() []string {
	return []string{result.CauseCPU, result.CauseThrottled, result.CauseGC, result.CauseMemory, result.CauseLock, result.CauseDBLock,
		result.CausePool, result.CauseFrozen, result.CauseRestart, result.CauseDependency, result.CauseSlowQuery, result.CauseNPlusOne,
		result.CauseRetries, result.CauseLostConcurrency, result.CauseSaturation, result.CauseQueue, result.CauseLink, result.CauseMix,
		result.CauseCode, result.CauseUnknown}
}

// FaultKinds returns the kinds of fault that a scenario may have.
func FaultKinds() []string {
	var out []string
	for _, k := range chaos.Kinds() {
		out = append(out, k.Name)
	}
	return out
}

// Last returns the time from the first fault until the last has begun or, if it ramps,
// has its whole latency.
func (s Scenario) Last() time.Duration {
	var last time.Duration
	for _, f := range s.Faults {
		last = max(last, time.Duration(f.At+f.Ramp))
	}
	return last
}

// Missing returns a service of which fewer instances run than the scenario needs, and how
// many it needs.
func (s Scenario) Missing(running map[string][]string) (service string, needed int) {
	var names []string
	for name := range s.Replicas {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(running[name]) < s.Replicas[name] {
			return name, s.Replicas[name]
		}
	}
	return "", 0
}

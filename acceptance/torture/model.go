package torture

import (
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
)

// Outcome is the state of a checkout as an observer sees it.
type Outcome int

// The outcomes.
const (
	Unknown      Outcome = iota // no answer, or an error; the checkout may still happen
	Acknowledged                // the order is placed
	Failed                      // the checkout has failed, and its key with it
	Refused                     // a step of the checkout was refused for good
	Empty                       // the cart was empty; nothing has happened
	Listed                      // the customer's list of orders has the order
	Missing                     // the customer's list of orders does not have the order
	Nothing                     // the store has no checkout with this key
)

// String returns the name of an outcome.
func (o Outcome) String() string {
	return [...]string{"unknown", "acknowledged", "failed", "refused", "empty", "listed", "missing", "nothing"}[o]
}

// Observation is an operation on a checkout with its outcome. Call and Return are
// nanoseconds since the start of the run.
type Observation struct {
	Checkout
	Client       int
	Call, Return int64
	Outcome      Outcome
	Order        string // if the outcome is Acknowledged, Listed or Missing
}

// phase is a phase of a checkout. Placed and failed are final.
type phase int

const (
	open phase = iota
	isPlaced
	hasFailed
)

// state is the state of the order that a checkout may place.
type state struct {
	phase phase
	order string // ID of the placed order, "" while no answer has told it
}

// step returns the states that may follow a state after an observation; none if the
// observation is impossible in that state.
func step(s state, o Observation) []state {
	switch o.Outcome {
	case Unknown:
		if s.phase != open {
			return []state{s}
		}
		return []state{s, {phase: isPlaced}, {phase: hasFailed}}
	case Acknowledged, Listed:
		switch {
		case s.phase == open && o.Outcome == Acknowledged, s.phase == isPlaced && s.order == "", s.phase == isPlaced && s.order == o.Order:
			return []state{{isPlaced, o.Order}}
		}
	case Failed:
		if s.phase != isPlaced {
			return []state{{phase: hasFailed}}
		}
	case Refused:
		if s.phase == open {
			return []state{{phase: hasFailed}}
		}
	case Empty, Nothing:
		if s.phase == open {
			return []state{s}
		}
	case Missing:
		if s.phase != isPlaced {
			return []state{s}
		}
	}
	return nil
}

// model is the state machine of one checkout for porcupine.
var model = porcupine.NondeterministicModel{
	Init: func() []any { return []any{state{}} },
	Step: func(s, _, output any) []any {
		var next []any
		for _, n := range step(s.(state), output.(Observation)) {
			next = append(next, n)
		}
		return next
	},
	Equal: func(a, b any) bool { return a.(state) == b.(state) },
}

// CheckHistories returns the checkouts whose observations no order of events explains.
func CheckHistories(all []Observation) []Violation {
	byCheckout := map[Checkout][]porcupine.Operation{}
	for _, o := range all {
		if o.Outcome == Unknown {
			o.Return = math.MaxInt64 // it may happen at any later time
		}
		byCheckout[o.Checkout] = append(byCheckout[o.Checkout],
			porcupine.Operation{ClientId: o.Client, Input: o.Checkout, Output: o, Call: o.Call, Return: o.Return})
	}
	var out []Violation
	for c, history := range byCheckout {
		if porcupine.CheckOperations(model.ToModel(), history) {
			continue
		}
		slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		detail := fmt.Sprintf("key %s of %s:", c.Key, c.User)
		for _, op := range history {
			o := op.Output.(Observation)
			detail += fmt.Sprintf(" [%.3f s to %.3f s %s %s]", float64(o.Call)/1e9, float64(op.Return)/1e9, o.Outcome, o.Order)
		}
		out = append(out, Violation{Linearizable, detail})
	}
	return out
}

// Linearizable is the invariant that CheckHistories checks.
const Linearizable = "the history of an order is linearizable"

// StoredObservations returns what the stores say of each checkout that was tried, as
// observations at the time end.
func StoredObservations(l Ledger, tried map[Checkout]bool, end int64) []Observation {
	sagas := map[Checkout]Saga{}
	for _, s := range l.Sagas {
		sagas[Checkout{s.User, s.Key}] = s
	}
	var out []Observation
	for c := range tried {
		o := Observation{Checkout: c, Call: end, Return: end + 1, Outcome: Nothing}
		switch s := sagas[c]; s.State {
		case done:
			o.Outcome, o.Order = Acknowledged, s.Order
		case failed:
			o.Outcome = Failed
		case started:
			o.Outcome = Unknown
		}
		out = append(out, o)
	}
	return out
}

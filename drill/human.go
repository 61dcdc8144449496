package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/drill/scenario"
)

// Guess names one cause of the trouble. Kind is a kind of finding. Cause may be empty.
type Guess struct{ Hop, Operation, Kind, Cause string }

// Person is a person's answer. Without a Guess it says that nothing is wrong.
type Person struct {
	Named   []Guess
	Hints   int           // number of hints taken
	Penalty time.Duration // their price
	GaveUp  bool
}

// Choices lists what a person may answer, and hints.
type Choices struct {
	Hops   []Hop // sorted by service and operation
	Kinds  []string
	Causes []string
	Hints  []Hint // in the order in which they are given
}

// Services returns the services of the hops.
func (c Choices) Services() []string {
	var out []string
	for _, h := range c.Hops {
		out = append(out, h.Service)
	}
	return slices.Compact(out)
}

// Operations returns the operations of a service.
func (c Choices) Operations(service string) []string {
	var out []string
	for _, h := range c.Hops {
		if h.Service == service {
			out = append(out, h.Operation)
		}
	}
	return out
}

// Hint helps a person. Its price is added to the time of the answer.
type Hint struct {
	Text  string
	Price time.Duration
}

// Prices of the hints, in their order.
var prices = []time.Duration{15 * time.Second, 30 * time.Second, time.Minute}

// nothing names the answer that nothing is wrong.
const nothing = "nothing"

// hints returns the hints to a plan: three candidates, the kind, the hop.
func (r *runner) hints(p plan) []Hint {
	candidates, kinds, hops := []string{nothing}, nothing+" is wrong", nothing+" is wrong"
	if !p.control() {
		candidates = nil
		var named []string
		for _, want := range p.Expect {
			candidates = append(candidates, want.Hop)
			named = append(named, strings.Join(want.Kinds, " or "))
		}
		kinds, hops = "the kind of finding: "+strings.Join(named, "; "), "the hop: "+strings.Join(candidates, " and ")
	}
	others := append(Choices{Hops: r.hops}.Services(), nothing)
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, o := range others {
		if len(candidates) < 3 && !slices.Contains(candidates, o) {
			candidates = append(candidates, o)
		}
	}
	slices.Sort(candidates)
	return []Hint{{"one of these: " + strings.Join(candidates, ", "), prices[0]}, {kinds, prices[1]}, {hops, prices[2]}}
}

// human asks the person and scores the answer like that of a diagnosis.
func (r *runner) human(ctx context.Context, p plan, round *Round, began time.Time) error {
	said, err := r.Human(ctx, Choices{Hops: r.hops, Kinds: scenario.FindingKinds(), Causes: scenario.CauseKinds(), Hints: r.hints(p)})
	if err != nil {
		return err
	}
	given := map[string]any{"verdict": result.None, "findings": []any{}}
	var findings []map[string]any
	for i, g := range said.Named {
		f := map[string]any{"rank": i + 1, "hop": g.Hop, "operation": g.Operation, "kind": g.Kind}
		if g.Cause != "" {
			f["cause"] = map[string]any{"kind": g.Cause}
		}
		findings = append(findings, f)
	}
	if len(findings) > 0 {
		given["verdict"], given["findings"] = result.Spike, findings
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return err
	}
	var a Answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	round.Answer, round.Seconds.Answered = raw, since(began)
	round.Hints, round.GaveUp = said.Hints, said.GaveUp
	if said.Penalty > 0 {
		s := said.Penalty.Seconds()
		round.Seconds.Penalty = &s
	}
	if said.GaveUp {
		round.Seconds.Answered, round.Error = nil, fmt.Sprintf("gave up after %.0f s", time.Since(began).Seconds())
		return nil
	}
	p.score(round, a)
	round.RightInstance, round.RightAttribute = nil, nil // a person is not asked for them
	return nil
}

package drill

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// human asks the person and scores the answer like that of a diagnosis.
func (r *runner) human(ctx context.Context, p plan, round *Round, began time.Time) error {
	var hops []string
	for _, h := range r.hops {
		hops = append(hops, h.Service)
	}
	guess, err := r.Human(ctx, slices.Compact(hops))
	if err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]any{"verdict": "spike", "findings": []map[string]any{
		{"rank": 1, "hop": guess.Hop, "operation": guess.Operation, "kind": guess.Kind}}})
	if err != nil {
		return err
	}
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	round.Answer, round.Seconds.Answered = raw, since(began)
	p.score(round, a)
	return nil
}

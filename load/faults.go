package load

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Kinds returns the kinds of fault that shoppers offer. Neither is a fault of a service: a
// diagnosis must not blame one.
func Kinds() []chaos.Implementation { return []chaos.Implementation{surge, mix} }

// Largest factors of the faults.
const (
	maxSurge = 20
	maxItems = 40 // a cart holds 50 products
)

// surge makes more customers arrive.
var surge = chaos.Implementation{
	Kind: chaos.Kind{
		Name: "surge", Does: "Shoppers send factor times as many requests.",
		Symptom: "The requests of all operations rise alike; latency follows where a hop has no room left.",
		Cause:   "saturation", Fields: []string{"factor"}, Process: true,
		Example: chaos.Fault{Kind: "surge", Factor: 3},
	},
	Check: func(f chaos.Fault) error {
		if !(f.Factor >= 1.1 && f.Factor <= maxSurge) {
			return errors.New("factor must be from 1.1 to 20")
		}
		return nil
	},
}

// mix makes customers want other things.
var mix = chaos.Implementation{
	Kind: chaos.Kind{
		Name: "mix", Does: "With factor, shoppers who check out fill their carts with factor products first; with operation, percent of the " +
			"journeys are those of that operation. The rate of requests stays.",
		Symptom: "Carts are larger, or the proportions of the operations are others; the same kind of request takes as long as before.",
		Cause:   "mix", Fields: []string{"factor", "operation", "percent"}, Process: true,
		Example: chaos.Fault{Kind: "mix", Factor: 15},
	},
	Check: func(f chaos.Fault) error {
		switch {
		case f.Factor == 0 && f.Operation == "":
			return errors.New("give factor, operation or both")
		case f.Factor != 0 && !(f.Factor >= 2 && f.Factor <= maxItems):
			return errors.New("factor must be from 2 to 40 products")
		case !(f.Percent > 0 && f.Percent <= 100):
			return errors.New("percent must be above 0 and at most 100")
		case f.Operation != "" && journeyOf(f.Operation) == nil:
			return errors.New("operation is none that shoppers end a journey with; try GET /search or POST /checkout")
		}
		return nil
	},
}

// journeyOf returns the journey that ends with an operation, or nil.
func journeyOf(operation string) []action {
	for _, j := range journeys {
		if j.actions[len(j.actions)-1].operation == operation {
			return j.actions
		}
	}
	return nil
}

// next returns the next journey and the requests/s at present.
func (r *runner) next(ctx context.Context, rng *rand.Rand) (actions []action, rate float64) {
	actions, rate = pickJourney(rng), r.cfg.RPS
	if f, on := r.cfg.Chaos.On(ctx, surge.Name); on {
		rate *= f.Factor
	}
	f, on := r.cfg.Chaos.On(ctx, mix.Name)
	if !on {
		return actions, rate
	}
	if f.Operation != "" {
		actions = journeyOf(f.Operation)
	}
	if f.Factor > 0 && actions[len(actions)-1].operation == checkout.operation {
		filled := make([]action, 0, int(f.Factor)+1)
		for range int(f.Factor) {
			filled = append(filled, addToCart)
		}
		actions = append(filled, checkout)
	}
	return actions, rate
}

package faults

import "github.com/tenhop/tenhop/middleware/chaos"

// NPlusOne makes a service work through a list call by call.
// It affects the given operations, or all if there are none. Times tells how often to make
// the calls of a unit.
func NPlusOne(operations ...string) chaos.Implementation {
	return chaos.Implementation{
		Kind: chaos.Kind{
			Name: NPlusOneName, Does: "The service makes its calls for each unit of a list in turn, instead of once for all; with factor, so many times for each.",
			Symptom: "Calls per request of the hop rise with the length of the list; each call takes as long as before.",
			Cause:   "n_plus_one", Fields: []string{"percent", "factor"}, Operations: operations,
			Example: chaos.Fault{Kind: NPlusOneName},
		},
		Check: func(f chaos.Fault) error {
			if f.Factor == 0 {
				return nil
			}
			return factor(1, 100, "factor must be from 1 to 100")(f)
		},
	}
}

// NPlusOneName is the kind that NPlusOne returns.
const NPlusOneName = "n_plus_one"

// Times returns how often the calls of a unit are made under a fault of the kind n_plus_one.
func Times(f chaos.Fault) int { return max(int(f.Factor), 1) }

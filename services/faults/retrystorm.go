package faults

import "github.com/tenhop/tenhop/middleware/chaos"

// RetryStorm makes a client repeat calls.
var RetryStorm = chaos.Implementation{
	Kind: chaos.Kind{
		Name: "retry_storm", Does: "Responses of dependency, or of all services that are called, are lost, and calls are repeated at once and " +
			"without limit, factor times on average.",
		Symptom: "Calls per request and failed calls rise at the client, and requests at the callee, of which none fails.",
		Cause:   "retries", Fields: []string{"factor", "dependency"},
		Example: chaos.Fault{Kind: "retry_storm", Factor: 5},
	},
	Check: factor(1.1, 100, "factor must be from 1.1 to 100"),
}

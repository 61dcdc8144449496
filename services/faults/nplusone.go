package faults

import "github.com/tenhop/tenhop/middleware/chaos"

// NPlusOne makes a service work through a list call by call.
var NPlusOne = chaos.Implementation{Kind: chaos.Kind{
	Name: "n_plus_one", Does: "The service makes its calls for each unit of a list in turn, instead of once for all.",
	Symptom: "Calls per request of the hop rise with the length of the list; each call takes as long as before.",
	Cause:   "n_plus_one", Fields: []string{"percent"},
	Example: chaos.Fault{Kind: "n_plus_one"},
}}

package faults

import "github.com/tenhop/tenhop/middleware/chaos"

// LostConcurrency makes a service wait for each call before it makes the next.
var LostConcurrency = chaos.Implementation{Kind: chaos.Kind{
	Name: "lost_concurrency", Does: "Calls that the service makes at the same time are made one after the other.",
	Symptom: "Calls of the hop that used to overlap follow each other; each takes as long as before, the hop as long as their sum.",
	Cause:   "lost_concurrency", Fields: []string{"percent"},
	Example: chaos.Fault{Kind: "lost_concurrency"},
}}

package faults

import "github.com/tenhop/tenhop/middleware/chaos"

// CacheLoss makes entries of a cache disappear.
var CacheLoss = chaos.Implementation{Kind: chaos.Kind{
	Name: "cache_loss", Does: "Carts are gone from Redis when they are read, as if they had been evicted, in percent of the cases.",
	Symptom: "Customers find empty carts: their checkouts are refused with 422, which no hop counts as its failure, and orders become fewer.",
	Cause:   "dependency", Fields: []string{"percent"},
	Example: chaos.Fault{Kind: "cache_loss", Percent: 50},
}}

// Package servicemap computes the live service map from Prometheus: hops, the
// traffic between them, entries against their baselines, objectives and alerts.
package servicemap

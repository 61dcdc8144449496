// Package servicemap computes the service map from Prometheus: hops, the traffic
// between them, entries and their baselines, objectives and alerts.
package servicemap

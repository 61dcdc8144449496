// Package knee measures what telemetry costs the storefront: how many requests per second
// it holds on this machine with each kind of telemetry, and whether a run at half of that
// rate uses no more resources as it goes on. TestKnee runs if TENHOP_KNEE is set, TestSoak
// if TENHOP_SOAK is.
package knee

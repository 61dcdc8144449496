// Package quiet runs the storefront without a fault: first with ordinary traffic, then
// with what happens in ordinary life, that is a deployment, more instances, more traffic
// and an empty cache. Nothing may page, and no diagnosis may name anything.
//
// The services of the changes are chosen by a seed, TENHOP_SEED, by default the day.
package quiet

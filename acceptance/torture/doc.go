// Package torture checks that the storefront keeps its orders under fire. Customers check
// out while processes are killed and frozen, links break, a disk is full and stores lose
// what a power cut may take. Afterwards the orders are counted in the stores and topics
// alone.
//
// The invariants are in invariants.go, the state machine of a single order is in model.go.
// The faults are chosen by a seed, TENHOP_SEED.
package torture

// Package drill rehearses the search for a slow hop: it injects a fault that
// nobody is told about, times when customers, alerts and the diagnosis notice
// it, checks the answer, lifts the fault and waits until the storefront is well.
//
// The side that diagnoses is kept blind: it is a process of its own that is
// given two URLs, no token, and an empty directory.
package drill

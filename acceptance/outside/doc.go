// Package outside injects faults into a running storefront from outside its processes:
// by signals, cgroups, locks on a store, long commands in Redis and traffic. It diagnoses each
// fault as an engineer on call would, with the built program, and checks the answers.
//
// The faults and their amounts are in faults_test.go. The hop of a fault is chosen by a
// seed, TENHOP_SEED, by default the day.
package outside

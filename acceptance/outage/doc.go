// Package outage measures services while their telemetry fails.
//
// Its test runs services over HTTP and gRPC with middleware/setup, and the embedded stack
// in a process of its own, and takes the stack away in every way that networks, disks and
// operators have. It compares the requests' p99 in interleaved pairs of windows.
package outage

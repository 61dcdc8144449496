package explain

import (
	"slices"
	"strings"
)

// MaxValues is the number of distinct values from which on an attribute counts as
// an identifier.
const MaxValues = 30

// undescriptive attributes differ in every request or describe the span, not the
// request.
var undescriptive = map[string]bool{"correlation_id": true, "span.kind": true, "url.path": true, "user_agent.original": true,
	"client.address": true, "server.port": true, "network.peer.port": true, "rpc.method": true, "rpc.service": true, "http.route": true}

// undescriptivePrefixes begin the attributes that instrumentation sets about
// itself.
var undescriptivePrefixes = []string{"hop.", "tenhop.", "otel.", "telemetry.", "internal.", "sampler.", "sampling."}

// Describes reports whether an attribute may tell one kind of request from
// another.
func Describes(key string) bool {
	return !undescriptive[key] && !slices.ContainsFunc(undescriptivePrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// outcomes are the attributes that report that a request failed.
var outcomes = map[string]bool{"error": true, "error.type": true, "otel.status_code": true, "otel.status_description": true,
	"rpc.response.status_code": true, "rpc.grpc.status_code": true, "http.response.status_code": true, "http.status_code": true}

// Outcome reports whether an attribute says how a request ended, not which request
// it was.
func Outcome(key string) bool { return outcomes[key] }

package explain

import (
	"slices"
	"strings"
)

// MaxValues is the number of distinct values above which an attribute is taken for an
// identifier and ignored.
const MaxValues = 30

// ignored holds attributes that differ in every request, or that describe the span and
// not the request.
var ignored = map[string]bool{"correlation_id": true, "span.kind": true, "url.path": true, "user_agent.original": true,
	"client.address": true, "server.port": true, "network.peer.port": true, "rpc.method": true, "rpc.service": true, "http.route": true}

// ignoredPrefixes holds the prefixes of attributes that describe the instrumentation.
var ignoredPrefixes = []string{"hop.", "tenhop.", "otel.", "telemetry.", "internal.", "sampler.", "sampling."}

// Describes reports whether an attribute may distinguish kinds of requests.
func Describes(key string) bool {
	return !ignored[key] && !slices.ContainsFunc(ignoredPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// outcomes holds the attributes of a request's outcome.
var outcomes = map[string]bool{"error": true, "error.type": true, "otel.status_code": true, "otel.status_description": true,
	"rpc.response.status_code": true, "rpc.grpc.status_code": true, "http.response.status_code": true, "http.status_code": true}

// Outcome reports whether an attribute describes the outcome of a request.
func Outcome(key string) bool { return outcomes[key] }

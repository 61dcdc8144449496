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

// ignoredPrefixes holds the prefixes of attributes that instrumentation, collectors and
// samplers write about themselves.
var ignoredPrefixes = []string{"hop.", "tenhop.", "otel.", "telemetry.", "internal.", "sampler.", "sampling.", "sample.", "_sampl", "_dd.",
	"meta.refinery.", "jaeger.", "zipkin.", "w3c."}

// Describes reports whether an attribute may distinguish kinds of requests. The outcome
// of a request does not.
func Describes(key string) bool {
	return !ignored[key] && !outcomes[key] && !hasPrefix(key, ignoredPrefixes) && !hasPrefix(key, outcomePrefixes)
}

func hasPrefix(key string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// outcomes holds the attributes that instrumentation writes about a request's outcome.
var outcomes = map[string]bool{"error": true, "status.code": true, "status.message": true, "response_flags": true,
	"grpc.status_code": true, "grpc.code": true, "rpc.response.status_code": true, "rpc.grpc.status_code": true, "rpc.connect_rpc.error_code": true,
	"http.response.status_code": true, "http.status_code": true, "http.status": true, "http.status_text": true, "db.response.status_code": true}

// outcomePrefixes holds the prefixes of such attributes.
var outcomePrefixes = []string{"error.", "exception."}

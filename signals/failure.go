package signals

import (
	"cmp"
	"slices"
	"strings"
)

// notFailed lists the values of error_type that are no failure: an HTTP client
// or a gRPC caller went away before the answer, a consumer was stopped while it
// handled a message.
var notFailed = [...]string{"client_closed_request", "CANCELLED", "consumer_closed"}

// Failed returns the PromQL label matcher that selects failed calls in the
// families that the middleware exports.
func Failed() string {
	return `error_type!~"|` + strings.Join(notFailed[:], "|") + `"`
}

// FailedHTTP is the PromQL label matcher that selects failed calls of
// HTTPServer. It needs no error_type, so that it holds for other libraries too.
const FailedHTTP = `http_response_status_code=~"5.."`

// serverErrors lists the gRPC status codes that are the server's fault, by name
// and by number (semantic conventions for gRPC).
var serverErrors = [...]string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "2", "4", "12", "13", "14", "15"}

// Failure returns the error type of the failed calls that a series counts, or
// "" if it counts calls that did not fail. labels are the series' labels. A
// series without error_type is judged by its status code.
func Failure(labels map[string]string) string {
	if t, ok := labels["error_type"]; ok {
		if slices.Contains(notFailed[:], t) {
			return ""
		}
		return t
	}
	if s := labels["http_response_status_code"]; strings.HasPrefix(s, "5") {
		return s
	}
	if s := cmp.Or(labels["rpc_response_status_code"], labels["rpc_grpc_status_code"]); slices.Contains(serverErrors[:], s) {
		return s
	}
	return ""
}

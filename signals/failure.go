package signals

import (
	"cmp"
	"slices"
	"strings"
)

// notFailed lists the values of error_type that do not count as failures. The HTTP
// client or gRPC caller cancelled the request, the caller of a call gave it up at its own
// deadline or because its own caller did, or the consumer was stopped while it handled a
// message. The callee has not failed. Neither has it if the request is at fault: a cart
// that is full, a product that does not exist. Of the gRPC codes these are the ones that
// the semantic conventions do not count as errors of a server.
var notFailed = [...]string{"client_closed_request", "CANCELLED", "canceled", "consumer_closed",
	"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
	"FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNAUTHENTICATED"}

// clientError matches the HTTP statuses that are the client's fault.
const clientError = "4.."

// Failed returns the PromQL label matcher that selects failed calls in the
// families that the middleware exports.
func Failed() string {
	return `error_type!~"|` + clientError + "|" + strings.Join(notFailed[:], "|") + `"`
}

// FailedHTTP is the PromQL label matcher that selects failed calls in HTTPServer. It
// does not use error_type, so it also applies to other instrumentation libraries.
const FailedHTTP = `http_response_status_code=~"5.."`

// serverErrors lists the gRPC status codes that count as server errors, by name and by
// number, as in the semantic conventions for gRPC.
var serverErrors = [...]string{"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "2", "4", "12", "13", "14", "15"}

// Failure returns the error type of a series that counts failed calls, or "" if the
// calls did not fail. labels are the series' labels. Without error_type, the status
// decides: an HTTP status of 5xx, a gRPC code that is the server's fault, or the error
// status of a span. statusLabels lists label names that are looked up first.
func Failure(labels map[string]string, statusLabels ...string) string {
	if t, ok := labels["error_type"]; ok {
		if slices.Contains(notFailed[:], t) || len(t) == 3 && t[0] == '4' {
			return ""
		}
		return t
	}
	switch s := cmp.Or(First(labels, statusLabels), First(labels, httpStatus), labels["response_code"]); {
	case len(s) == 3 && s[0] == '5':
		return s
	case slices.Contains(serverErrors[:], s):
		return s
	}
	if s := cmp.Or(First(labels, rpcStatus), labels["grpc_response_status"]); slices.Contains(serverErrors[:], s) {
		return s
	}
	if s := First(labels, spanStatus); s == "STATUS_CODE_ERROR" || s == "Error" || s == "ERROR" {
		return "error"
	}
	return ""
}

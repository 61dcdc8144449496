package httpmw

import (
	"context"
	"net/http"
	"reflect"
	"strings"
)

// stoppedByServer reports whether a request was canceled because the server's base
// context was: the client is still there.
func stoppedByServer(ctx context.Context) bool {
	if ctx.Value(http.ServerContextKey) == nil {
		return false
	}
	for range 100 {
		if ctx.Value(http.ServerContextKey) == nil {
			return ctx.Err() != nil
		}
		parent := parentOf(ctx)
		if parent == nil {
			return false
		}
		ctx = parent
	}
	return false
}

// parentOf returns the context that ctx derives from, for the context package's types
// and others that embed it. It returns nil when that cannot be seen.
func parentOf(ctx context.Context) (parent context.Context) {
	v := reflect.ValueOf(ctx)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	defer func() { _ = recover() }() // a field behind a nil pointer
	f := v.FieldByName("Context")
	if !f.IsValid() || !f.CanInterface() {
		return nil
	}
	parent, _ = f.Interface().(context.Context)
	return parent
}

// answersTimeouts reports whether a writer is http.TimeoutHandler's, which answers 503
// when the deadline passes, whatever the handler writes.
func answersTimeouts(w http.ResponseWriter) bool {
	return reflect.TypeOf(w).String() == "*http.timeoutWriter"
}

// tooLarge tells the client that the connection closes after a 413, when the body was
// read in part. http.MaxBytesReader does that only with the server's own writer.
func (s *state) tooLarge(h http.Header) {
	if s.body.begun.Load() && !s.body.ended.Load() && s.req != nil && s.req.ProtoMajor == 1 && len(h["Connection"]) == 0 {
		h["Connection"] = []string{"close"}
	}
}

// isStream reports whether a media type is of a stream that lasts as long as the
// client listens.
func isStream(h http.Header) bool {
	v := h["Content-Type"]
	if len(v) == 0 {
		return false
	}
	media, _, _ := strings.Cut(v[0], ";")
	media = strings.ToLower(strings.Trim(media, " \t"))
	switch media {
	case "text/event-stream", "application/x-ndjson", "application/ndjson", "text/x-ndjson", "application/jsonl", "application/x-jsonl",
		"application/jsonlines", "application/x-jsonlines", "application/json-seq", "application/geo+json-seq", "application/stream+json",
		"application/x-json-stream", "application/x-stream+json", "multipart/x-mixed-replace":
		return true
	}
	return strings.HasPrefix(media, "application/connect+") // streams of ConnectRPC; its unary calls have other types
}

// rpcStatuses holds the names of gRPC's codes, and whether a code is the server's fault.
var rpcStatuses = [...]struct {
	name  string
	fault bool
}{{"OK", false}, {"CANCELLED", false}, {"UNKNOWN", true}, {"INVALID_ARGUMENT", false}, {"DEADLINE_EXCEEDED", true},
	{"NOT_FOUND", false}, {"ALREADY_EXISTS", false}, {"PERMISSION_DENIED", false}, {"RESOURCE_EXHAUSTED", false},
	{"FAILED_PRECONDITION", false}, {"ABORTED", false}, {"OUT_OF_RANGE", false}, {"UNIMPLEMENTED", true}, {"INTERNAL", true},
	{"UNAVAILABLE", true}, {"DATA_LOSS", true}, {"UNAUTHENTICATED", false}}

// rpcStatus returns the code of a gRPC response over HTTP, or "".
func rpcStatus(h http.Header) string {
	for _, v := range [][]string{h["Grpc-Status"], h[http.TrailerPrefix+"Grpc-Status"]} {
		if len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// unimplemented reports whether the server lacks the procedure.
func unimplemented(h http.Header) bool { return rpcStatus(h) == "12" }

// rpcError returns error.type of a gRPC response over HTTP, whose status is 200 and
// whose trailer has the code.
func rpcError(h http.Header) (errorType string, failed bool) {
	status := rpcStatus(h)
	if status == "" || status == "0" {
		return "", false
	}
	code := 0
	for _, c := range []byte(status) {
		if c < '0' || c > '9' || code > len(rpcStatuses) {
			return "", false
		}
		code = code*10 + int(c-'0')
	}
	if code >= len(rpcStatuses) {
		return "_OTHER", true
	}
	return rpcStatuses[code].name, rpcStatuses[code].fault
}

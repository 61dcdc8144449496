package otelmw

import (
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// redFamilies holds the families that the other adapters have, with the same labels.
// The zero value observes nothing.
type redFamilies struct {
	httpServer, httpClient *adapter.Histogram
	rpcServer, rpcClient   *adapter.Histogram
	db, process, send      *adapter.Histogram
}

func newREDFamilies(core *adapter.Core) (f redFamilies) {
	add := func(to **adapter.Histogram, name, help string, labels ...string) {
		h, err := core.RequestHistogram(name, help, labels...)
		if err != nil {
			panic("otelmw: " + err.Error())
		}
		*to = h
	}
	add(&f.httpServer, "http_server_request_duration_seconds", "Duration of HTTP server requests.",
		"http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme")
	add(&f.httpClient, "http_client_request_duration_seconds", "Duration of HTTP client requests, to the end of the response's body.",
		"http_request_method", "dependency", "http_response_status_code", "error_type")
	add(&f.rpcServer, "rpc_server_call_duration_seconds", "Duration of RPCs, seen by the server.",
		"rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type")
	add(&f.rpcClient, "rpc_client_call_duration_seconds", "Duration of RPCs, seen by the client.",
		"rpc_system_name", "rpc_method", "dependency", "rpc_response_status_code", "error_type")
	add(&f.db, "db_client_operation_duration_seconds", "Duration of database driver calls.",
		"db_system_name", "db_operation_name", "dependency", "error_type")
	add(&f.process, "messaging_process_duration_seconds", "Duration of processing a message.",
		"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type")
	add(&f.send, "messaging_client_operation_duration_seconds", "Duration of producing a message, from buffered to acknowledged.",
		"messaging_system", "messaging_operation_name", "messaging_destination_name", "error_type")
	return f
}

// failure returns error.type of a span.
func failure(a *attributes, s sdktrace.ReadOnlySpan) string {
	switch {
	case a.errorType != "":
		return a.errorType
	case s.Status().Code != codes.Error:
		return ""
	case a.rpcStatus != "" && a.rpcStatus != "OK":
		return a.rpcStatus
	case a.status >= 400:
		return statusText(a.status)
	}
	return adapter.Overflow
}

// handled observes a message that the service handled.
func (f *redFamilies) handled(a *attributes, s sdktrace.ReadOnlySpan, core *adapter.Core) {
	if f.db == nil {
		return
	}
	end := s.EndTime()
	d, sc, errorType := end.Sub(s.StartTime()), s.SpanContext(), failure(a, s)
	switch {
	case a.rpcSystem != "":
		f.rpcServer.Observe(d, end, sc, a.rpcSystem, a.served(s.Name()), a.rpcStatus, errorType)
	case a.messaging != "":
		f.process.Observe(d, end, sc, a.messaging, verbOr(a.verb, "process"), core.Destination(a.destination), errorType)
	case a.method != "":
		route, _ := a.routeOr(s.Name())
		f.httpServer.Observe(d, end, sc, knownMethod(a.method), route, statusText(a.status), errorType, a.scheme)
	}
}

// call observes an outgoing call.
func (f *redFamilies) call(a *attributes, kind trace.SpanKind, dep adapter.Dependency, s sdktrace.ReadOnlySpan, end time.Time) {
	if f.db == nil {
		return
	}
	d, sc, errorType := end.Sub(s.StartTime()), s.SpanContext(), failure(a, s)
	switch {
	case a.db != "":
		f.db.Observe(d, end, sc, a.db, verbOr(a.dbOperation, adapter.Overflow), dep.Name, errorType)
	case kind == trace.SpanKindProducer || a.messaging != "":
		f.send.Observe(d, end, sc, a.messaging, verbOr(a.verb, "send"), dep.Name, errorType)
	case a.rpcSystem != "":
		f.rpcClient.Observe(d, end, sc, a.rpcSystem, a.procedure(s.Name()), dep.Name, a.rpcStatus, errorType)
	case a.method != "":
		f.httpClient.Observe(d, end, sc, knownMethod(a.method), dep.Name, statusText(a.status), errorType)
	}
}

func verbOr(verb, fallback string) string {
	if verb == "" {
		return fallback
	}
	return verb
}

// Package signals defines the Prometheus names of the metric families that instrumented
// services export. It also defines which of the counted calls have failed. Alerts,
// SLOs, the console's map and the diagnosis share this definition.
package signals

// Families of OpenTelemetry's semantic conventions, as Prometheus stores them.
// Each is a histogram: its series end in _count, _sum and _bucket.
const (
	HTTPServer      = "http_server_request_duration_seconds"
	HTTPClient      = "http_client_request_duration_seconds"
	RPCServer       = "rpc_server_call_duration_seconds"
	RPCClient       = "rpc_client_call_duration_seconds"
	MessagesHandled = "messaging_process_duration_seconds"
	MessagesSent    = "messaging_client_operation_duration_seconds"
	DatabaseClient  = "db_client_operation_duration_seconds"
)

// Families of otelgrpc before version 0.64.
const (
	OldRPCServer = "rpc_server_duration_milliseconds"
	OldRPCClient = "rpc_client_duration_milliseconds"
)

// HopCompletion is the time from the start of an entry to the end of the
// message handlers that it caused.
const HopCompletion = "hop_completion_duration_seconds"

// Served returns the families that the middleware exports for served calls, one
// per protocol.
func Served() []string { return []string{HTTPServer, RPCServer, MessagesHandled} }

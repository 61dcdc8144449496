package signals

import (
	"slices"
	"strings"
)

// Side says at which end of a call a family measures its duration.
type Side string

// Sides of a call.
const (
	Server Side = "server" // the callee handles the call
	Client Side = "client" // the caller waits for the call
)

// Kind says which calls a family counts. Families of one kind that are measured at the
// same side of a service count the same calls, so only one of them is read.
type Kind string

// Kinds of calls. Spans, Graph and Mesh cover the calls of all protocols.
const (
	HTTP      Kind = "http"
	RPC       Kind = "rpc"
	Messaging Kind = "messaging"
	Database  Kind = "database"
	Spans     Kind = "spans" // span metrics: one series per operation, without the peer
	Graph     Kind = "graph" // service graph: one series per caller and callee
	Mesh      Kind = "mesh"  // proxies of a service mesh
)

// Tier returns the precedence of a kind: a service's calls are read from the lowest
// tier that has them. Protocol families are tier 0.
func (k Kind) Tier() int { return max(slices.Index([]Kind{"", Spans, Graph, Mesh}, k), 0) }

// Convention is a family of call durations under one naming convention.
type Convention struct {
	By     string  // who exports it
	Family string  // name without _count, _sum and _bucket
	Side   Side    // of the calls that it measures
	Kind   Kind    // of the calls
	Unit   float64 // of the durations, in seconds

	// Only lists the label values of the series that measure Side, if the family also
	// has other series.
	Only map[string][]string

	// Service, Peer and Status list label names; the first one that a series has holds
	// the value. Peer is the other end of the call: the callee of a Client family and the
	// caller of a Server family. Families without Service use ServiceLabels.
	Service, Peer, Status []string

	// Operation lists the parts of an operation, each with alternative label names. The
	// parts are joined by Join.
	Operation [][]string
	Join      string
}

// ServiceLabels returns the label names that hold the name of the service that exports a
// series, in order of preference. The last one is the job, in which OTLP receivers store
// service.namespace/service.name.
func ServiceLabels() []string {
	return []string{"service_name", "service.name", "exported_service_name", "exported_job", "exported_service", "service", "application", "app", "job"}
}

var (
	httpOperation    = [][]string{{"http_request_method", "http_method", "method"}, {"http_route", "http_target", "uri"}}
	httpStatus       = []string{"http_response_status_code", "http_status_code", "status"}
	rpcOperation     = [][]string{{"rpc_service"}, {"rpc_method"}}
	rpcStatus        = []string{"rpc_response_status_code", "rpc_grpc_status_code"}
	callee           = []string{"dependency", "peer_service", "server_address", "net_peer_name", "client_name"}
	stored           = []string{"dependency", "server_address", "db_system_name", "db_system"}
	messageOperation = [][]string{{"messaging_operation_name", "messaging_operation"}, {"messaging_destination_name", "messaging_destination"}}
	spanOperation    = [][]string{{"span_name", "operation"}}
	spanStatus       = []string{"status_code"}
)

// span kinds, as the span metrics of the collector and of Tempo spell them.
var (
	servedSpans = []string{"SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER"}
	madeSpans   = []string{"SPAN_KIND_CLIENT"}
)

// Conventions returns every family of call durations that the diagnosis reads. Within one
// kind and side, a preceding family wins if a service has several.
func Conventions() []Convention {
	var out []Convention
	add := func(by string, side Side, kind Kind, unit float64, peer, status []string, op [][]string, join string, families ...string) {
		for _, f := range families {
			out = append(out, Convention{By: by, Family: f, Side: side, Kind: kind, Unit: unit, Peer: peer, Status: status, Operation: op, Join: join})
		}
	}
	const otel, older, micrometer = "OpenTelemetry semantic conventions, OBI, Beyla", "older OpenTelemetry conventions", "Micrometer"
	add(otel, Server, HTTP, 1, nil, httpStatus, httpOperation, " ", HTTPServer)
	add(otel, Server, HTTP, 1, nil, httpStatus, httpOperation, " ", "http_server_request_duration")
	add(older, Server, HTTP, 1, nil, httpStatus, httpOperation, " ", "http_server_duration_seconds")
	add(older, Server, HTTP, 1e-3, nil, httpStatus, httpOperation, " ", "http_server_duration_milliseconds", "http_server_duration")
	add(micrometer, Server, HTTP, 1, nil, httpStatus, httpOperation, " ", "http_server_requests_seconds")
	add(otel, Server, RPC, 1, nil, rpcStatus, rpcOperation, "/", RPCServer, "rpc_server_call_duration", "rpc_server_duration_seconds")
	add(older, Server, RPC, 1e-3, nil, rpcStatus, rpcOperation, "/", OldRPCServer, "rpc_server_duration")
	add(otel, Server, Messaging, 1, nil, nil, messageOperation, " ", MessagesHandled, "messaging_process_duration")
	add(otel, Client, HTTP, 1, callee, httpStatus, httpOperation, " ", HTTPClient, "http_client_request_duration")
	add(older, Client, HTTP, 1, callee, httpStatus, httpOperation, " ", "http_client_duration_seconds")
	add(older, Client, HTTP, 1e-3, callee, httpStatus, httpOperation, " ", "http_client_duration_milliseconds", "http_client_duration")
	add(micrometer, Client, HTTP, 1, callee, httpStatus, httpOperation, " ", "http_client_requests_seconds")
	add(otel, Client, RPC, 1, callee, rpcStatus, rpcOperation, "/", RPCClient, "rpc_client_call_duration", "rpc_client_duration_seconds")
	add(older, Client, RPC, 1e-3, callee, rpcStatus, rpcOperation, "/", OldRPCClient, "rpc_client_duration")
	add(otel, Client, Database, 1, stored, nil, [][]string{{"db_operation_name", "db_operation"}}, "", DatabaseClient, "db_client_operation_duration")
	out = append(out, spanMetrics()...)
	out = append(out, graph()...)
	return append(out, mesh()...)
}

// spanMetrics returns the families that are derived from spans, operation by operation.
func spanMetrics() []Convention {
	var out []Convention
	add := func(by, family string, unit float64, service ...string) {
		for _, side := range []Side{Server, Client} {
			kinds := servedSpans
			if side == Client {
				kinds = madeSpans
			}
			out = append(out, Convention{By: by, Family: family, Side: side, Kind: Spans, Unit: unit, Only: map[string][]string{"span_kind": kinds},
				Service: service, Status: spanStatus, Operation: spanOperation})
		}
	}
	const connector, tempo = "span metrics connector of the OpenTelemetry Collector", "metrics generator of Grafana Tempo"
	add(connector, "traces_span_metrics_duration_seconds", 1)
	add(connector, "traces_span_metrics_duration_milliseconds", 1e-3)
	add(connector, "traces_span_metrics_duration", 1e-3)
	add(tempo, "traces_spanmetrics_latency", 1, "service", "service_name")
	add(connector, "duration_seconds", 1)
	add(connector, "duration_milliseconds", 1e-3)
	add("span metrics processor of the OpenTelemetry Collector", "latency", 1e-3)
	return out
}

// graph returns the families of a service graph: one series per caller and callee,
// measured at either end.
func graph() []Convention {
	const by = "service graph of the OpenTelemetry Collector or Grafana Tempo"
	var out []Convention
	for _, unit := range []struct {
		suffix  string
		seconds float64
	}{{"_seconds", 1}, {"_milliseconds", 1e-3}, {"", 1}} {
		out = append(out,
			Convention{By: by, Family: "traces_service_graph_request_server" + unit.suffix, Side: Server, Kind: Graph, Unit: unit.seconds,
				Service: []string{"server"}, Peer: []string{"client"}},
			Convention{By: by, Family: "traces_service_graph_request_client" + unit.suffix, Side: Client, Kind: Graph, Unit: unit.seconds,
				Service: []string{"client"}, Peer: []string{"server"}})
	}
	return out
}

// mesh returns the families of Istio. The proxies at both ends report a call. Each side
// is read from the proxy at that side or, if there is none, from another.
func mesh() []Convention {
	source := []string{"source_canonical_service", "source_workload", "source_app"}
	destination := []string{"destination_canonical_service", "destination_workload", "destination_app", "destination_service_name"}
	var out []Convention
	add := func(family string, unit float64, side Side, service, peer []string, reporters ...string) {
		for _, r := range reporters {
			out = append(out, Convention{By: "Istio", Family: family, Side: side, Kind: Mesh, Unit: unit, Service: service, Peer: peer,
				Status: []string{"response_code"}, Only: map[string][]string{"reporter": {r}}})
		}
	}
	add("istio_request_duration_milliseconds", 1e-3, Server, destination, source, "destination", "waypoint", "source")
	add("istio_request_duration_milliseconds", 1e-3, Client, source, destination, "source", "waypoint", "destination")
	return out
}

// GraphFailures counts the failed calls of a service graph, by caller and callee.
const GraphFailures = "traces_service_graph_request_failed_total"

// MessagingEdge is the value of the label connection_type of a service graph's edge from
// a producer to a consumer. No caller waits for it.
const MessagingEdge = "messaging_system"

// Infrastructure reports whether the name of a peer stands for callers or callees that
// report nothing, such as the users of an edge.
func Infrastructure(peer string) bool { return peer == "" || peer == "user" || peer == "unknown" }

// FamilyNames returns the distinct names of the families in Conventions.
func FamilyNames() []string {
	var out []string
	for _, c := range Conventions() {
		if !slices.Contains(out, c.Family) {
			out = append(out, c.Family)
		}
	}
	return out
}

// Selects reports whether a series of the family measures the side.
func (c Convention) Selects(labels map[string]string) bool {
	for label, values := range c.Only {
		if !slices.Contains(values, labels[label]) {
			return false
		}
	}
	return true
}

// OperationOf returns the operation in the labels of a series.
func (c Convention) OperationOf(labels map[string]string) string {
	var parts []string
	for _, names := range c.Operation {
		if v := First(labels, names); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, c.Join)
}

// First returns the value of the first label in names that is not empty, or "".
func First(labels map[string]string, names []string) string {
	for _, n := range names {
		if v := labels[n]; v != "" {
			return v
		}
	}
	return ""
}

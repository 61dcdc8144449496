package otelmw

import (
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// attributes holds the attributes that metrics need, under today's and older names of
// the semantic conventions.
type attributes struct {
	method, route, path, scheme    string
	rpcSystem, rpcService, rpcName string
	rpcStatus                      string
	messaging, verb, destination   string
	db, dbOperation, dbName        string
	peer, server, url, caller      string
	errorType                      string
	status                         int64
}

func read(attrs []attribute.KeyValue) (a attributes) {
	for i := range attrs {
		v := attrs[i].Value
		switch attrs[i].Key {
		case "http.request.method", "http.method":
			a.method = v.AsString()
		case "http.route":
			a.route = v.AsString()
		case "url.path", "http.target":
			a.path, _, _ = strings.Cut(v.AsString(), "?")
		case "url.scheme", "http.scheme":
			a.scheme = v.AsString()
		case "http.response.status_code", "http.status_code":
			a.status = v.AsInt64()
		case "rpc.system.name", "rpc.system":
			a.rpcSystem = v.AsString()
		case "rpc.service":
			a.rpcService = v.AsString()
		case "rpc.method":
			a.rpcName = v.AsString()
		case "rpc.response.status_code":
			a.rpcStatus = v.AsString()
		case "rpc.grpc.status_code":
			a.rpcStatus = grpcStatus(v.AsInt64())
		case "messaging.system":
			a.messaging = v.AsString()
		case "messaging.operation.name":
			a.verb = v.AsString()
		case "messaging.operation.type", "messaging.operation":
			if a.verb == "" {
				a.verb = v.AsString()
			}
		case "messaging.destination.name", "messaging.destination":
			a.destination = v.AsString()
		case "db.system.name", "db.system":
			a.db = v.AsString()
		case "db.operation.name", "db.operation":
			a.dbOperation = v.AsString()
		case "db.namespace", "db.name":
			a.dbName = v.AsString()
		case "service.peer.name", "peer.service":
			a.peer = v.AsString()
		case "server.address", "net.peer.name":
			a.server = v.AsString()
		case "network.peer.address", "net.sock.peer.addr":
			a.caller = v.AsString()
		case "url.full", "http.url":
			a.url = v.AsString()
		case "error.type":
			a.errorType = v.AsString()
		}
	}
	return a
}

var grpcStatuses = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func grpcStatus(code int64) string {
	if code >= 0 && code < int64(len(grpcStatuses)) {
		return grpcStatuses[code]
	}
	return adapter.Overflow
}

// protocol returns the label protocol of a hop.
func (a *attributes) protocol(kind trace.SpanKind) string {
	switch {
	case a.rpcSystem != "":
		return a.rpcSystem
	case a.messaging != "":
		return a.messaging
	case a.method != "":
		return "http"
	}
	return kind.String()
}

// operation returns the operation of a hop, and whether the span knows it.
func (a *attributes) operation(kind trace.SpanKind, name string, core *adapter.Core) (operation string, known bool) {
	switch {
	case a.rpcSystem != "":
		return a.served(name), true
	case a.messaging != "":
		verb := a.verb
		if verb == "" {
			verb = "process"
		}
		return verb + " " + core.Destination(a.destination), true
	case a.method != "":
		route, ok := a.routeOr(name)
		return knownMethod(a.method) + " " + route, ok
	}
	return name, kind == trace.SpanKindConsumer
}

// unmatched is the route of a request whose span has none, as in httpmw.
const unmatched = "unmatched"

// routeOr returns the route. Without http.route it is the span's name, which is of low
// cardinality, unless that says no more than method and path.
func (a *attributes) routeOr(name string) (route string, ok bool) {
	if a.route != "" {
		return a.route, true
	}
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(name, "HTTP "), a.method))
	if rest == "" || rest == "HTTP" || rest == a.path && a.path != "" {
		return unmatched, false
	}
	return rest, true
}

// procedure returns rpc.method as today's conventions have it: package.Service/Method.
func (a *attributes) procedure(name string) string {
	switch {
	case a.rpcName == "":
		return strings.TrimPrefix(name, "/")
	case a.rpcService != "" && !strings.Contains(a.rpcName, "/"):
		return a.rpcService + "/" + a.rpcName
	}
	return strings.TrimPrefix(a.rpcName, "/")
}

// served returns the procedure of a server span. Some instrumentation has spans for
// calls of procedures that the server lacks, whose names the caller makes up.
func (a *attributes) served(name string) string {
	if strings.EqualFold(a.rpcStatus, "UNIMPLEMENTED") {
		return adapter.Overflow
	}
	return a.procedure(name)
}

// dependency returns the dependency of a call: peer.service when it is set, else the
// name by which the callee is known. Hosts and destinations share the bounds of core.
func (a *attributes) dependency(kind trace.SpanKind, name string, core *adapter.Core) adapter.Dependency {
	d := adapter.Dependency{Name: a.peer, Kind: adapter.KindHTTP}
	or := func(s string) {
		if d.Name == "" {
			d.Name = s
		}
	}
	host := func(s string) {
		if d.Name == "" && s != "" {
			d.Name = core.Host(s)
		}
	}
	switch {
	case a.db != "":
		d.Kind = adapter.KindDatabase
		if cache(a.db) {
			d.Kind = adapter.KindCache
		} else {
			or(a.dbName)
		}
		host(a.server)
		or(a.db)
	case kind == trace.SpanKindProducer || a.messaging != "":
		d.Kind = adapter.KindProduce
		if d.Name == "" && a.destination != "" {
			d.Name = core.Destination(a.destination)
		}
		or(a.messaging)
	case a.rpcSystem != "":
		d.Kind = adapter.KindGRPC
		if a.rpcSystem == "aws-api" { // its server.address is a host per region or bucket
			d.Kind = adapter.KindHTTP
			or(a.rpcService)
		}
		host(a.server)
		or(a.rpcService)
		if service, _, ok := strings.Cut(strings.TrimPrefix(a.rpcName, "/"), "/"); ok {
			or(service)
		}
	default:
		host(a.server)
		if d.Name == "" && a.url != "" {
			if u, err := url.Parse(a.url); err == nil {
				host(u.Hostname())
			}
		}
	}
	or(name)
	return d
}

func cache(system string) bool {
	return system == "redis" || system == "memcached" || system == "valkey"
}

// knownMethod returns a method as a label value, as httpmw does.
func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "QUERY":
		return m
	}
	return adapter.Overflow
}

func statusText(code int64) string {
	if code == 0 {
		return ""
	}
	return strconv.FormatInt(code, 10)
}

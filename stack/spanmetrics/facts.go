package spanmetrics

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// overflow is the label value for series beyond a limit and for values outside a closed
// set, as in the middleware.
const overflow = "_OTHER"

// Protocols. Those of messages are the name of the messaging system.
const (
	protoHTTP     = "http"
	protoGRPC     = "grpc"
	protoRPC      = "rpc" // another RPC system
	protoInternal = "internal"
)

// Kinds of dependencies, as in the middleware.
const (
	kindDatabase = "database"
	kindCache    = "cache"
	kindProduce  = "produce"
)

// attrQueueWait is the attribute that trace.Tree reads.
const attrQueueWait = "hop.queue_wait_ms"

// facts holds what the metrics need of a span's attributes. It replaces them while the
// span is held.
type facts struct {
	protocol  string // http, grpc, rpc, internal, or a messaging system
	messaging bool
	operation string // as the middleware names it; of low cardinality
	entry     string // that the middleware recorded, if any
	errorType string // empty for a success

	method, route, scheme string // http
	path                  bool   // the route may be the path of the request
	status                string // of HTTP, or of RPC
	system                string // rpc.system.name or messaging.system
	verb, destination     string // messaging

	peer string // of a call: its dependency, unless the callee has spans
	kind string // of a call: the kind of its dependency
	addr string // of a call: host and port; empty if unknown
}

// describe reads the facts of a span from its attributes.
func describe(s *trace.Span, a *attributes) facts {
	f := facts{entry: a.first(atHopEntry)}
	switch {
	case a.first(atRPCSystemName, atRPCSystem, atRPCService, atRPCMethod) != "":
		f.rpc(a, s)
	case a.first(atMessagingSystem, atMessagingDestinationName, atMessagingDestination) != "":
		f.message(a, s)
	case a.first(atDBSystemName, atDBSystem) != "":
		f.protocol, f.operation, f.kind = protoInternal, name(s), kindDatabase
		if caches[a.first(atDBSystemName, atDBSystem)] {
			f.kind = kindCache
		}
	case a.first(atHTTPRequestMethod, atHTTPMethod, atHTTPRoute, atHTTPResponseStatusCode, atHTTPStatusCode) != "":
		f.http(a, s)
	default:
		f.protocol, f.operation, f.kind = protoInternal, name(s), protoInternal
		if s.Kind == trace.Server || s.Kind == trace.Client {
			f.kind = protoRPC
			f.protocol = protoRPC
		}
	}
	if s.Kind.Calls() {
		f.call(a, s)
	}
	if f.errorType == "" && s.Failed {
		f.errorType = cmp.Or(a.first(atErrorType), overflow)
	}
	f.bound()
	return f
}

// bound makes all facts fit to be label values. Senders choose their length and bytes.
func (f *facts) bound() {
	for _, v := range []*string{&f.protocol, &f.operation, &f.entry, &f.errorType, &f.method, &f.route, &f.scheme, &f.status, &f.system,
		&f.verb, &f.destination, &f.peer, &f.kind, &f.addr} {
		*v = clip(*v)
	}
}

// caches holds the database systems that count as caches.
var caches = map[string]bool{"redis": true, "memcached": true, "valkey": true}

func (f *facts) http(a *attributes, s *trace.Span) {
	f.protocol, f.kind = protoHTTP, protoHTTP
	f.method = method(a.first(atHTTPRequestMethod, atHTTPMethod))
	f.status = a.first(atHTTPResponseStatusCode, atHTTPStatusCode)
	f.scheme = a.first(atURLScheme, atHTTPScheme)
	f.route = route(a.first(atHTTPRoute))
	if f.route == "" {
		f.route, f.path = unrouted(name(s), f.method)
	}
	f.operation = f.method + " " + f.route
	if len(f.status) == 3 && f.status[0] == '5' {
		f.errorType = cmp.Or(a.first(atErrorType), f.status)
	}
}

// unmatched is the route of a request that has none, as in the middleware.
const unmatched = "unmatched"

// unrouted returns the route of a request whose span has no http.route: the span's name
// without the method. If that is a path without parameters, it is the pattern of a
// static route or the path of the request, whose values are not bounded; path reports
// so.
func unrouted(name, method string) (route string, path bool) {
	for _, prefix := range []string{method, "HTTP"} {
		name = strings.TrimPrefix(name, prefix)
	}
	name = strings.TrimSpace(name)
	switch {
	case name == "" || strings.ContainsAny(name, "?#%@") || strings.Contains(name, "://"):
		return unmatched, false
	case !strings.Contains(name, "/"), strings.HasPrefix(name, "/") && strings.ContainsAny(name, "{<*") || strings.Contains(name, "/:"):
		return name, false
	}
	return name, true
}

// staticPaths holds the paths without parameters that the span names of a service have
// in the place of routes, to tell static routes from paths of requests.
type staticPaths map[string]map[string]bool

// maxStaticPaths is the number of static routes of a service. A service with more of
// them names its spans by the path of the request.
const maxStaticPaths = 20

// accept reports whether a path may be a route.
func (p staticPaths) accept(service, path string) bool {
	if len(path) > 80 || strings.ContainsAny(path, "0123456789") {
		return false
	}
	known := p[service]
	if known == nil {
		if len(p) >= maxServices {
			return false
		}
		known = map[string]bool{}
		p[service] = known
	}
	if len(known) > maxStaticPaths {
		return false
	}
	known[path] = true
	return len(known) <= maxStaticPaths
}

// route returns a route without a method, as some frameworks put it in front.
func route(r string) string {
	if i := strings.IndexByte(r, '/'); i > 0 && strings.IndexByte(r, ' ') >= 0 && strings.IndexByte(r, ' ') < i {
		r = r[strings.IndexByte(r, ' ')+1:]
	}
	return clip(r)
}

var methods = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true,
	"CONNECT": true, "OPTIONS": true, "TRACE": true, "QUERY": true}

// method returns an HTTP method as a label value. A span that lacks it has no known
// method.
func method(m string) string {
	if m = strings.ToUpper(m); methods[m] {
		return m
	}
	return overflow
}

func (f *facts) rpc(a *attributes, s *trace.Span) {
	f.system = cmp.Or(a.first(atRPCSystemName, atRPCSystem), protoRPC)
	f.protocol = protoRPC
	if f.system == protoGRPC {
		f.protocol = protoGRPC
	}
	f.kind = f.protocol
	f.operation = strings.TrimPrefix(a.first(atRPCMethod), "/")
	if service := a.first(atRPCService); service != "" && f.operation != "" && !strings.Contains(f.operation, "/") {
		f.operation = service + "/" + f.operation
	}
	if f.operation == "" {
		f.operation = strings.TrimPrefix(name(s), "/")
	}
	f.operation = clip(f.operation)
	f.status = a.first(atRPCResponseStatusCode, atRPCGRPCStatusCode)
	if n, ok := grpcCodes[f.status]; ok {
		f.status = n
	}
	if s.Failed {
		f.errorType = cmp.Or(a.first(atErrorType), f.status)
	}
}

// grpcCodes holds the names of gRPC's status codes by number.
var grpcCodes = map[string]string{"0": "OK", "1": "CANCELLED", "2": "UNKNOWN", "3": "INVALID_ARGUMENT", "4": "DEADLINE_EXCEEDED",
	"5": "NOT_FOUND", "6": "ALREADY_EXISTS", "7": "PERMISSION_DENIED", "8": "RESOURCE_EXHAUSTED", "9": "FAILED_PRECONDITION",
	"10": "ABORTED", "11": "OUT_OF_RANGE", "12": "UNIMPLEMENTED", "13": "INTERNAL", "14": "UNAVAILABLE", "15": "DATA_LOSS",
	"16": "UNAUTHENTICATED"}

func (f *facts) message(a *attributes, s *trace.Span) {
	f.system = cmp.Or(a.first(atMessagingSystem), "messaging")
	f.protocol, f.messaging, f.kind = f.system, true, f.system
	f.destination = clip(cmp.Or(a.first(atMessagingDestinationTemplate, atMessagingDestinationName, atMessagingDestination), overflow))
	if a.first(atMessagingDestinationTemporary, atMessagingDestinationAnonymous, atMessagingTempDestination) == "true" &&
		a.first(atMessagingDestinationTemplate) == "" {
		f.destination = overflow
	}
	switch s.Kind {
	case trace.Consumer, trace.Server:
		f.verb = "process"
	case trace.Producer:
		f.verb, f.kind = "send", kindProduce
	default:
		f.verb = cmp.Or(a.first(atMessagingOperationName, atMessagingOperationType, atMessagingOperation), "receive")
	}
	f.operation = f.verb + " " + f.destination
}

// call reads the dependency of a call.
func (f *facts) call(a *attributes, s *trace.Span) {
	f.peer = clip(cmp.Or(trace.PeerOf(a.named), a.first(atNetPeerIP, atNetworkPeerAddress), f.system))
	host, port := a.first(atServerAddress, atNetPeerName, atNetPeerIP, atNetworkPeerAddress), a.first(atServerPort, atNetPeerPort, atNetworkPeerPort)
	if raw := a.first(atURLFull, atHTTPURL); raw != "" && (host == "" || port == "") {
		if u, err := url.Parse(raw); err == nil {
			host, port = cmp.Or(host, strings.Clone(u.Hostname())), cmp.Or(port, u.Port())
		}
	}
	if host != "" {
		f.addr = host + ":" + port
	}
	if f.messaging && s.Kind == trace.Producer {
		f.peer = f.destination
	}
	if f.peer == "" {
		f.peer = clip(cmp.Or(host, f.kind))
	}
}

// name returns the name of a span.
func name(s *trace.Span) string { return clip(s.Operation) }

// setRoute replaces the route.
func (f *facts) setRoute(route string) { f.route, f.operation = route, f.method+" "+route }

// spanName returns the value of the label span_name: the span's name, unless it is that
// of an HTTP request and may contain a path.
func spanName(s *trace.Span, f *facts) string {
	if f.protocol == protoHTTP && strings.ContainsAny(s.Operation, "/?") {
		if s.Kind == trace.Server {
			return f.operation
		}
		return f.method
	}
	return name(s)
}

// maxLabel is the maximum length of a label value in bytes.
const maxLabel = 200

// clip returns s as a label value: truncated and valid UTF-8. It does not keep the rest
// of s in memory.
func clip(s string) string {
	if len(s) > maxLabel {
		s = strings.Clone(s[:maxLabel])
	}
	return strings.ToValidUTF8(s, "?")
}

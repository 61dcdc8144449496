package spanmetrics

import "go.opentelemetry.io/collector/pdata/pcommon"

// attribute is one of the attributes that facts are read from.
type attribute uint8

// The attributes. Those of hops are set by the middleware.
const (
	atHopEntry attribute = iota
	atHopSelfMs
	atHopQueueWaitMs
	atDBSystem
	atDBSystemName
	atErrorType
	atHTTPMethod
	atHTTPRequestMethod
	atHTTPResponseStatusCode
	atHTTPRoute
	atHTTPScheme
	atHTTPStatusCode
	atHTTPURL
	atMessagingDestination
	atMessagingDestinationAnonymous
	atMessagingDestinationName
	atMessagingDestinationTemplate
	atMessagingDestinationTemporary
	atMessagingOperation
	atMessagingOperationName
	atMessagingOperationType
	atMessagingSystem
	atMessagingTempDestination
	atNetPeerIP
	atNetPeerName
	atNetPeerPort
	atNetworkPeerAddress
	atNetworkPeerPort
	atPeerService
	atRPCGRPCStatusCode
	atRPCMethod
	atRPCResponseStatusCode
	atRPCService
	atRPCSystem
	atRPCSystemName
	atServerAddress
	atServerPort
	atServicePeerName
	atURLFull
	atURLScheme
	attributeCount
)

// attributeNames holds the names of the attributes, those of older conventions included.
var attributeNames = [attributeCount]string{
	atHopEntry:                      "hop.entry",
	atHopSelfMs:                     "hop.self_ms",
	atDBSystem:                      "db.system",
	atDBSystemName:                  "db.system.name",
	atErrorType:                     "error.type",
	atHTTPMethod:                    "http.method",
	atHTTPRequestMethod:             "http.request.method",
	atHTTPResponseStatusCode:        "http.response.status_code",
	atHTTPRoute:                     "http.route",
	atHTTPScheme:                    "http.scheme",
	atHTTPStatusCode:                "http.status_code",
	atHTTPURL:                       "http.url",
	atMessagingDestination:          "messaging.destination",
	atMessagingDestinationAnonymous: "messaging.destination.anonymous",
	atMessagingDestinationName:      "messaging.destination.name",
	atMessagingDestinationTemplate:  "messaging.destination.template",
	atMessagingDestinationTemporary: "messaging.destination.temporary",
	atMessagingOperation:            "messaging.operation",
	atMessagingOperationName:        "messaging.operation.name",
	atMessagingOperationType:        "messaging.operation.type",
	atMessagingSystem:               "messaging.system",
	atMessagingTempDestination:      "messaging.temp_destination",
	atNetPeerIP:                     "net.peer.ip",
	atNetPeerName:                   "net.peer.name",
	atNetPeerPort:                   "net.peer.port",
	atNetworkPeerAddress:            "network.peer.address",
	atNetworkPeerPort:               "network.peer.port",
	atPeerService:                   "peer.service",
	atRPCGRPCStatusCode:             "rpc.grpc.status_code",
	atRPCMethod:                     "rpc.method",
	atRPCResponseStatusCode:         "rpc.response.status_code",
	atRPCService:                    "rpc.service",
	atRPCSystem:                     "rpc.system",
	atRPCSystemName:                 "rpc.system.name",
	atServerAddress:                 "server.address",
	atServerPort:                    "server.port",
	atServicePeerName:               "service.peer.name",
	atURLFull:                       "url.full",
	atURLScheme:                     "url.scheme",
	atHopQueueWaitMs:                attrQueueWait,
}

var attributesByName = func() map[string]attribute {
	out := make(map[string]attribute, attributeCount)
	for a, name := range attributeNames {
		out[name] = attribute(a)
	}
	return out
}()

// attributes holds those attributes of one span that facts are read from. It is used for
// one span after another.
type attributes struct {
	set    uint64 // bit by attribute
	values [attributeCount]pcommon.Value
}

// read replaces the attributes with those of a span. Of several with one name, the last
// counts.
func (a *attributes) read(m pcommon.Map) {
	a.set = 0
	for name, v := range m.All() {
		if at, ok := attributesByName[name]; ok {
			a.values[at] = v
			a.set |= 1 << at
		}
	}
}

func (a *attributes) has(at attribute) bool { return a.set&(1<<at) != 0 }

// first returns the first of the attributes that has a value.
func (a *attributes) first(of ...attribute) string {
	for _, at := range of {
		if a.has(at) {
			if v := a.values[at].AsString(); v != "" {
				return v
			}
		}
	}
	return ""
}

// named returns the value of the attribute with a name.
func (a *attributes) named(name string) string {
	if at, ok := attributesByName[name]; ok {
		return a.first(at)
	}
	return ""
}

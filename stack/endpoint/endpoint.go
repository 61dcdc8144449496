// Package endpoint defines the addresses that tenhop serves: their names, default ports
// and announced forms. Listeners, up.json, the tables of addresses and shell completion
// are made from it.
package endpoint

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"text/tabwriter"
)

// Names of the endpoints. They are the keys of up.json and of the maps of
// addresses and listeners.
const (
	Gateway      = "gateway"
	Console      = "console"
	Jaeger       = "jaeger"
	Prometheus   = "prometheus"
	Loki         = "loki"
	OTLPGRPC     = "otlp_grpc"
	OTLPHTTP     = "otlp_http"
	JaegerThrift = "jaeger_thrift"
	JaegerUDP    = "jaeger_udp"
	Kafka        = "kafka"
	RabbitMQ     = "rabbitmq"
	Redis        = "redis"
)

// Endpoint describes an address that tenhop serves.
type Endpoint struct {
	Name    string
	Label   string // name shown to people
	Part    string // part of the stack that serves it; empty for the storefront
	Network string // "tcp" or "udp"
	Port    int    // default port: that of the program that it replaces
	scheme  string // of the announced URL; empty if host:port is announced
	path    string // of the announced URL
}

var table = []Endpoint{
	{Name: Gateway, Label: "storefront", Network: "tcp", Port: 8080, scheme: "http"},
	{Name: Console, Label: "console", Part: "console", Network: "tcp", Port: 8000, scheme: "http"},
	{Name: Jaeger, Label: "Jaeger API", Part: "jaeger", Network: "tcp", Port: 16686, scheme: "http"},
	{Name: Prometheus, Label: "Prometheus", Part: "prometheus", Network: "tcp", Port: 9090, scheme: "http"},
	{Name: Loki, Label: "Loki API", Part: "loki", Network: "tcp", Port: 3100, scheme: "http"},
	{Name: OTLPGRPC, Label: "OTLP gRPC", Part: "otlp", Network: "tcp", Port: 4317, scheme: "http"},
	{Name: OTLPHTTP, Label: "OTLP HTTP", Part: "otlp", Network: "tcp", Port: 4318, scheme: "http"},
	{Name: JaegerThrift, Label: "Jaeger Thrift", Part: "jaeger", Network: "tcp", Port: 14268, scheme: "http", path: "/api/traces"},
	{Name: JaegerUDP, Label: "Jaeger UDP", Part: "jaeger", Network: "udp", Port: 6831},
	{Name: Kafka, Label: "Kafka", Part: "kafka", Network: "tcp", Port: 9092},
	{Name: Redis, Label: "Redis", Part: "redis", Network: "tcp", Port: 6379},
}

// external lists the systems that the stack does not embed, but uses instead of a part.
var external = []Endpoint{{Name: RabbitMQ, Label: "RabbitMQ", Network: "tcp", Port: 5672, scheme: "amqp"}}

// All returns the endpoints that tenhop serves, in the order in which they are shown.
func All() []Endpoint { return append([]Endpoint(nil), table...) }

// Named returns the endpoint of that name and reports whether there is one.
func Named(name string) (Endpoint, bool) {
	for _, e := range slices.Concat(table, external) {
		if e.Name == name {
			return e, true
		}
	}
	return Endpoint{}, false
}

// OfPart returns the endpoints that a part of the stack serves.
func OfPart(part string) []Endpoint {
	var of []Endpoint
	for _, e := range table {
		if e.Part == part {
			of = append(of, e)
		}
	}
	return of
}

// DefaultAddress returns the host:port on which the endpoint listens by default,
// on loopback.
func (e Endpoint) DefaultAddress() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port))
}

// Announced returns the address that is given to clients of an endpoint bound to
// hostport. It is a URL, or hostport itself for Kafka, Redis and UDP.
func (e Endpoint) Announced(hostport string) string {
	if e.scheme == "" {
		return hostport
	}
	return e.scheme + "://" + hostport + e.path
}

// Reachable returns the host:port of a listener as a client on this host dials it: a
// listener on all addresses is reached on loopback.
func Reachable(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if ip, bad := netip.ParseAddr(host); err == nil && bad == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return hostport
}

// Redacted returns an announced address without the user and password that the URL of a
// replaced part may have.
func Redacted(announced string) string {
	u, err := url.Parse(announced)
	if err != nil || u.User == nil {
		return announced
	}
	u.User = nil
	return u.String()
}

// WriteTable writes the announced addresses, keyed by endpoint name, one per
// line in the order of All, those of external systems last, without passwords. An endpoint in moved did not get
// the address it wanted, which is noted.
func WriteTable(w io.Writer, announced, moved map[string]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range slices.Concat(table, external) {
		address := announced[e.Name]
		if address == "" {
			continue
		}
		note := ""
		if wanted := moved[e.Name]; wanted != "" {
			note = "  (" + wanted + " is in use)"
		}
		fmt.Fprintf(t, "  %s\t%s%s\n", e.Label, Redacted(address), note)
	}
	return t.Flush()
}

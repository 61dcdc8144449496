package supervisor

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tenhop/tenhop/load"
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// Config configures a Supervisor. Its zero value runs the embedded stack and one
// instance of each service on the default ports, without shoppers.
type Config struct {
	WorkDir   string         // contains .tenhop; the current directory if empty
	Program   string         // tenhop executable; that of this process if empty
	FreePorts bool           // use free ports instead of the default ones
	Replicas  map[string]int // instances by service; 1 for those not in it
	RPS       float64        // shoppers' requests/s; 0 for no shoppers
	Seed      uint64         // seed of the shoppers
	Version   string         // service.version of all services
	Telemetry Telemetry      // what services report
	Sampling  float64        // fraction of traces to sample, in (0, 1]; 1 if zero
	MTLS      bool           // mutual TLS between the services, with new certificates

	// Systems that replace an embedded part; empty for the embedded one.
	Jaeger     string // URL of Jaeger's query API
	OTLP       string // URL of an OTLP/gRPC receiver; port 4317 of Jaeger's host if empty
	Prometheus string // URL
	Kafka      string // host:port,host:port
	RabbitMQ   string // amqp://user:password@host:port/vhost; carries the events instead of a Kafka
	Postgres   string // postgres://user:password@host:port; each service has its own database
	Redis      string // host:port
	Search     string // URL of Elasticsearch or OpenSearch, which catalog searches; empty for its store

	// Consul is the URL of a Consul agent with which the services register and by which they
	// find each other; empty for fixed addresses. Its token is in CONSUL_HTTP_TOKEN.
	Consul string

	// ConfigFile is the absolute path of the file with the credentials of Jaeger and
	// Prometheus, which the console reads; empty for none.
	ConfigFile string

	Webhook string // URL that receives alerts in Alertmanager's format; empty for none

	// Link returns the address, host:port, at which a service reaches another process:
	// an instance of a service, or "redis". A nil Link keeps the process's own address.
	// It is called once for each pair, before any process starts.
	Link func(caller, callee, address string) (string, error)

	Limits Limits
	Out    io.Writer // receives progress messages; may be nil
}

// Telemetry says what the services of a run report.
type Telemetry string

// The kinds of telemetry.
const (
	TelemetryFull     Telemetry = "full"     // traces, metrics and logs; also the empty string
	TelemetryMetrics  Telemetry = "metrics"  // metrics and logs
	TelemetryComposed Telemetry = "composed" // as full, by the libraries of package services/peers
	TelemetryNone     Telemetry = "none"     // nothing; no process receives telemetry
)

// TelemetryKinds returns the kinds of telemetry.
func TelemetryKinds() []string {
	return []string{string(TelemetryFull), string(TelemetryMetrics), string(TelemetryComposed), string(TelemetryNone)}
}

// Limits bounds the memory and the disk space of the stack, in bytes. Zero means
// the stack's default.
type Limits struct {
	TraceMemory, LogMemory int64

	// Disk bounds what telemetry, log files and read messages take together in .tenhop;
	// DefaultDiskBytes if zero. Each of the limits below is a share of it by default.
	Disk                                       int64
	TraceDisk, MetricDisk, LogDisk, BrokerDisk int64
	LogFile                                    int64 // maximum size of each process's log file
}

// heap returns the soft memory limit of a process of the stack. It covers indexes
// of the default sizes, and what larger ones need in addition.
func (l Limits) heap() int64 {
	const usual = 320 << 20
	return usual + max(l.TraceMemory-64<<20, 0) + max(l.LogMemory-16<<20, 0)
}

// maxReplicas is the maximum number of instances of a service.
const maxReplicas = 20

// ConfigError reports an invalid value in a Config.
type ConfigError struct {
	Field  string // name of the field in Config
	Value  string // the invalid part of its value; empty if it may contain a password
	Reason string
}

// Error implements error.
func (e *ConfigError) Error() string {
	return strings.TrimSpace("invalid "+e.Field+" "+e.Value) + ": " + e.Reason
}

// harmless returns a value in quotes, or nothing if it may contain a password.
func harmless(value string) string {
	if strings.Contains(value, "@") {
		return ""
	}
	return strconv.Quote(value)
}

// Check returns a *ConfigError for the first invalid value in c, or nil.
func (c Config) Check() error {
	for name, n := range c.Replicas {
		value := fmt.Sprintf("%s=%d", name, n)
		if !slices.Contains(services.Names(), name) {
			return &ConfigError{"Replicas", value, fmt.Sprintf("there is no service %q; the services are %s", name, strings.Join(services.Names(), ", "))}
		}
		if n < 1 || n > maxReplicas {
			return &ConfigError{"Replicas", value, fmt.Sprintf("must be between 1 and %d", maxReplicas)}
		}
		if n > 1 && name == endpoint.Gateway {
			return &ConfigError{"Replicas", value, "the gateway has one address and so one instance"}
		}
	}
	if c.RPS != 0 && !(c.RPS >= load.MinRPS && c.RPS <= load.MaxRPS) {
		return &ConfigError{"RPS", fmt.Sprint(c.RPS), fmt.Sprintf("must be 0, or between %v and %v", load.MinRPS, load.MaxRPS)}
	}
	if !(c.Sampling >= 0 && c.Sampling <= 1) {
		return &ConfigError{"Sampling", fmt.Sprint(c.Sampling), "must be greater than 0 and at most 1"}
	}
	if c.Telemetry != "" && !slices.Contains(TelemetryKinds(), string(c.Telemetry)) {
		return &ConfigError{"Telemetry", fmt.Sprintf("%q", string(c.Telemetry)), "must be one of " + strings.Join(TelemetryKinds(), ", ")}
	}
	for _, f := range []struct{ field, value string }{{"Jaeger", c.Jaeger}, {"OTLP", c.OTLP}, {"Prometheus", c.Prometheus}, {"Webhook", c.Webhook}, {"Search", c.Search}, {"Consul", c.Consul}} {
		if u, err := url.Parse(f.value); f.value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return &ConfigError{f.field, harmless(f.value), "must be a URL such as http://localhost:16686"}
		}
	}
	if c.Consul != "" && c.Link != nil {
		return &ConfigError{"Consul", "", "services that find each other by Consul are not reached through links"}
	}
	if err := c.checkRabbitMQ(); err != nil {
		return err
	}
	for _, f := range []struct{ field, value string }{{"Kafka", c.Kafka}, {"Redis", c.Redis}} {
		for _, addr := range strings.Split(f.value, ",") {
			if _, _, err := net.SplitHostPort(addr); f.value != "" && err != nil {
				return &ConfigError{f.field, fmt.Sprintf("%q", f.value), "must be host:port"}
			}
		}
	}
	if u, err := url.Parse(c.Postgres); c.Postgres != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "postgres") || strings.Trim(u.Path, "/") != "") {
		return &ConfigError{"Postgres", "", "must be a URL without a database name, such as postgres://user:password@localhost:5432"}
	}
	return nil
}

func (c Config) checkRabbitMQ() error {
	if c.RabbitMQ == "" {
		return nil
	}
	u, err := url.Parse(c.RabbitMQ)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "amqp" && u.Scheme != "amqps"):
		return &ConfigError{"RabbitMQ", harmless(c.RabbitMQ), "must be a URL such as amqp://guest:guest@localhost:5672/"}
	case c.Kafka != "":
		return &ConfigError{"RabbitMQ", "", "events are carried by a Kafka or by a RabbitMQ; leave one of them out"}
	case c.Telemetry == TelemetryComposed || c.Telemetry == TelemetryNone:
		return &ConfigError{"RabbitMQ", "", fmt.Sprintf("services measure it with the middleware only; telemetry must be %s or %s", TelemetryFull, TelemetryMetrics)}
	}
	return nil
}

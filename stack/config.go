package stack

import (
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Part is one embedded stand-in.
type Part string

// The parts. OTLP and Jaeger share one trace store.
const (
	OTLP       Part = "otlp"       // receiver for traces and logs
	Jaeger     Part = "jaeger"     // query API, and receiver for Jaeger's clients
	Prometheus Part = "prometheus" // scrape, storage, rules, query API
	Loki       Part = "loki"       // log queries
	Kafka      Part = "kafka"      // broker
	Redis      Part = "redis"      // Redis-protocol server
)

// Parts lists all parts in the order in which they start.
func Parts() []Part { return []Part{OTLP, Jaeger, Prometheus, Loki, Kafka, Redis} }

// Names of the endpoints, as Endpoints, Config.Addresses and Config.Listeners
// use them.
const (
	EndpointOTLPGRPC     = "otlp_grpc"
	EndpointOTLPHTTP     = "otlp_http"
	EndpointJaeger       = "jaeger"
	EndpointJaegerThrift = "jaeger_thrift"
	EndpointJaegerUDP    = "jaeger_udp"
	EndpointPrometheus   = "prometheus"
	EndpointLoki         = "loki"
	EndpointKafka        = "kafka"
	EndpointRedis        = "redis"
)

// Endpoints lists the names of all endpoints.
func Endpoints() []string {
	return []string{
		EndpointOTLPGRPC, EndpointOTLPHTTP, EndpointJaeger, EndpointJaegerThrift, EndpointJaegerUDP,
		EndpointPrometheus, EndpointLoki, EndpointKafka, EndpointRedis,
	}
}

// defaultAddress is the port of the real program, on loopback; empty for an
// unknown endpoint.
func defaultAddress(endpoint string) string {
	port := map[string]string{
		EndpointOTLPGRPC:     "4317",
		EndpointOTLPHTTP:     "4318",
		EndpointJaeger:       "16686",
		EndpointJaegerThrift: "14268",
		EndpointJaegerUDP:    "6831",
		EndpointPrometheus:   "9090",
		EndpointLoki:         "3100",
		EndpointKafka:        "9092",
		EndpointRedis:        "6379",
	}[endpoint]
	if port == "" {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// Config says which parts to start, where they listen and what bounds them.
// The zero value, with DataDir set, starts all of them on the ports of the
// programs they stand for.
type Config struct {
	Parts []Part // none means all

	// Addresses overrides the default address of an endpoint, host:port; port
	// 0 is any free one. A port that is taken is replaced by a free one, which
	// Endpoints reports and Moved explains.
	Addresses map[string]string
	// Listeners are used as they are instead of an address. Start owns them.
	Listeners map[string]net.Listener

	DataDir     string // for traces, metrics and broker, one folder each; required
	LogsDir     string // *.jsonl files for Loki; required for that part
	TargetsFile string // scrape targets, JSON of Prometheus's file_sd; may appear later
	Rules       fs.FS  // *.yaml rule files; nil for none

	ScrapeInterval     time.Duration // 2 s if zero
	EvaluationInterval time.Duration // 2 s if zero
	Retention          time.Duration // of traces, metrics and records; 24 h if zero

	TraceMemoryBytes int64 // index of the trace store; 64 MiB if zero
	TraceDiskBytes   int64 // 1 GiB if zero
	MetricDiskBytes  int64 // 1 GiB if zero
	LogMemoryBytes   int64 // index of the logs; 16 MiB if zero

	WebhookURL *url.URL // takes alerts in Alertmanager's payload; nil for none
	ConsoleURL *url.URL // where Jaeger's web paths lead; nil for nowhere
	Topics     []string // created in the broker

	Collectors []prometheus.Collector // exported beside the stack's own metrics

	Logger *slog.Logger // slog.Default if nil
}

// withDefaults returns a copy with every zero replaced, or what is wrong.
func (c Config) withDefaults() (Config, error) {
	if len(c.Parts) == 0 {
		c.Parts = Parts()
	}
	for _, p := range c.Parts {
		if !slices.Contains(Parts(), p) {
			return c, fmt.Errorf("part %q is not known; the parts are %v", p, Parts())
		}
	}
	for name := range c.Addresses {
		if defaultAddress(name) == "" {
			return c, fmt.Errorf("endpoint %q is not known; the endpoints are %v", name, Endpoints())
		}
	}
	if c.DataDir == "" {
		return c, fmt.Errorf("no data directory is set")
	}
	if c.LogsDir == "" && c.has(Loki) {
		return c, fmt.Errorf("part %q needs a logs directory", Loki)
	}
	setDefault(&c.ScrapeInterval, 2*time.Second)
	setDefault(&c.EvaluationInterval, 2*time.Second)
	setDefault(&c.Retention, 24*time.Hour)
	setDefault(&c.TraceMemoryBytes, 64<<20)
	setDefault(&c.TraceDiskBytes, 1<<30)
	setDefault(&c.MetricDiskBytes, 1<<30)
	setDefault(&c.LogMemoryBytes, 16<<20)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func (c Config) has(p Part) bool { return slices.Contains(c.Parts, p) }

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

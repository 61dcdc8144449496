package supervisor

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/load"
	"github.com/tenhop/tenhop/services"
)

// Config says what to bring up.
type Config struct {
	WorkDir   string         // holds .tenhop; the working directory when empty
	Program   string         // the tenhop binary; this one when empty
	FreePorts bool           // any free port instead of the well-known ones
	Replicas  map[string]int // instances of a service; 1 otherwise
	RPS       float64        // shoppers' requests a second; 0 for none
	Seed      uint64         // of the shoppers
	Version   string         // service.version of all services
	Sampling  float64        // share of traces to keep, above 0 to 1; 1 when zero

	// Real systems that replace an embedded part; empty for the embedded one.
	Jaeger     string // URL of the query API
	OTLP       string // URL of the OTLP/gRPC receiver; port 4317 of Jaeger's host when empty
	Prometheus string // URL
	Kafka      string // host:port,host:port
	Postgres   string // postgres://user:password@host:port, one database a service
	Redis      string // host:port

	Webhook string // URL that the embedded Prometheus sends alerts to, as Alertmanager does; empty for none

	Limits Limits
	Out    io.Writer // progress and the table; nil for nowhere
}

// Limits bound what the stack holds; bytes, the stack's own defaults when zero.
type Limits struct {
	TraceMemory, TraceDisk, MetricDisk, LogMemory int64
	LogFile                                       int64 // of each process's log file
}

// heap is the memory at which a process of the stack starts to collect harder:
// enough for the indexes' default sizes, and for what larger ones add.
func (l Limits) heap() int64 {
	const usual = 320 << 20
	return usual + max(l.TraceMemory-64<<20, 0) + max(l.LogMemory-16<<20, 0)
}

// maxReplicas is what makes sense on one machine.
const maxReplicas = 20

// Check returns what is wrong with c, in the words of the command line.
func (c Config) Check() error {
	for name, n := range c.Replicas {
		if !slices.Contains(services.Names(), name) {
			return fmt.Errorf("--replicas: there is no service %q; the services are %s", name, strings.Join(services.Names(), ", "))
		}
		if n < 1 || n > maxReplicas {
			return fmt.Errorf("--replicas %s=%d: must be between 1 and %d", name, n, maxReplicas)
		}
		if n > 1 && name == gateway {
			return fmt.Errorf("--replicas %s=%d: the gateway has one address and so one instance", name, n)
		}
	}
	if c.RPS != 0 && !(c.RPS >= load.MinRPS && c.RPS <= load.MaxRPS) {
		return fmt.Errorf("--rps %v: must be 0 or from %v to %v", c.RPS, load.MinRPS, load.MaxRPS)
	}
	if !(c.Sampling >= 0 && c.Sampling <= 1) {
		return fmt.Errorf("--sampling %v: must be above 0 and at most 1", c.Sampling)
	}
	for flag, value := range map[string]string{"jaeger": c.Jaeger, "otlp": c.OTLP, "prometheus": c.Prometheus, "webhook": c.Webhook} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return fmt.Errorf("--%s %q: must be a URL such as http://localhost:16686", flag, value)
		}
	}
	for flag, value := range map[string]string{"kafka": c.Kafka, "redis": c.Redis} {
		for _, addr := range strings.Split(value, ",") {
			if _, _, err := net.SplitHostPort(addr); value != "" && err != nil {
				return fmt.Errorf("--%s %q: must be host:port", flag, value)
			}
		}
	}
	if u, err := url.Parse(c.Postgres); c.Postgres != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "postgres") || strings.Trim(u.Path, "/") != "") {
		return fmt.Errorf("--postgres: must be a URL without a database, such as postgres://user:password@localhost:5432; each service has one of its own name")
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

// stopWithin is the timeout of the shutdown of `tenhop up`.
const stopWithin = 25 * time.Second

func newUpCmd() *cobra.Command {
	var cfg supervisor.Config
	var replicas []string
	var once bool
	var watching watchFlags
	var watched bool
	var file string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the storefront, its stack and its shoppers",
		Long: `Run thirteen services, the stack that observes them and the shoppers that use
them, each in its own process, until Ctrl-C or ` + "`tenhop down`" + `.

The parts listen on loopback, on the ports of the programs they stand for. A port
that is in use is replaced by a free one. Addresses, process IDs and the token of
the fault endpoints are in .tenhop/up.json.`,
		Example: `  tenhop up
  tenhop up --replicas payment=3 --rps 50
  tenhop up --disk 2GiB
  tenhop up --mtls
  tenhop up --consul http://localhost:8500
  tenhop up --rabbitmq amqp://guest:guest@localhost:5672/
  tenhop up --jaeger http://localhost:16686 --prometheus http://localhost:9090`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Replicas, err = parseReplicas(replicas); err != nil {
				return &usageError{err}
			}
			if file != "" {
				found, err := (&backendFlags{config: file, prometheus: cfg.Prometheus, jaeger: cfg.Jaeger}).read()
				if err != nil {
					return err
				}
				cfg.Prometheus, cfg.Jaeger = found.Prometheus, found.Jaeger
				if cfg.ConfigFile, err = filepath.Abs(file); err != nil {
					return err
				}
			}
			out := cmd.OutOrStdout()
			cfg.Version, cfg.Out = version(), out
			s, err := supervisor.Up(cmd.Context(), cfg)
			if err != nil {
				return advise(err)
			}
			if err := endpoint.WriteTable(out, s.Endpoints(), nil); err != nil {
				return err
			}
			fmt.Fprintf(out, "\nlook at it            %s\nmake one hop slower   tenhop chaos inject payment --latency 500ms\nask which one it is   tenhop diagnose\nstop everything       Ctrl-C, or tenhop down\n",
				s.Endpoints()[endpoint.Console])
			if cfg.Prometheus != "" {
				fmt.Fprintf(out, "let your Prometheus scrape the services: file_sd_configs with .tenhop/targets.json\n")
			}
			if watched {
				watching.dir = cfg.WorkDir
				if err := watching.beside(cmd.Context(), out); err != nil {
					return errors.Join(err, s.Close(context.WithoutCancel(cmd.Context())))
				}
			}
			if !once {
				<-cmd.Context().Done()
			}
			fmt.Fprintln(out, "stopping")
			stop, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), stopWithin)
			defer cancel()
			if err := s.Close(stop); err != nil {
				return err
			}
			fmt.Fprintln(out, "stopped; no process is left")
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.WorkDir, "dir", ".", "directory that contains .tenhop")
	f.StringSliceVar(&replicas, "replicas", nil, "number of instances of a service, such as payment=3")
	f.Float64Var(&cfg.RPS, "rps", 20, "shoppers' requests/s; 0 for no shoppers")
	f.Uint64Var(&cfg.Seed, "seed", 1, "seed of the shoppers, whose journeys it determines")
	f.Float64Var(&cfg.Sampling, "sampling", 1, "fraction of requests to trace, in (0, 1]")
	f.StringVar((*string)(&cfg.Telemetry), "telemetry", string(supervisor.TelemetryFull), "what the services report: "+strings.Join(supervisor.TelemetryKinds(), ", ")+"")
	f.BoolVar(&cfg.MTLS, "mtls", false, "mutual TLS between the services, with certificates of this run")
	f.BoolVar(&cfg.FreePorts, "free-ports", false, "use free ports instead of the default ones")
	f.BoolVar(&once, "once", false, "exit when everything is ready")
	f.StringVar(&cfg.Jaeger, "jaeger", "", "URL of a Jaeger that replaces the embedded trace store")
	f.StringVar(&file, "config", "", "file with the URLs and credentials of the Jaeger and the Prometheus that replace the embedded ones")
	f.StringVar(&cfg.OTLP, "otlp", "", "URL of an OTLP/gRPC receiver that replaces the embedded one (default with --jaeger: its host, port 4317)")
	f.StringVar(&cfg.Prometheus, "prometheus", "", "URL of a Prometheus that replaces the embedded one")
	f.StringVar(&cfg.Kafka, "kafka", "", "host:port of a Kafka that replaces the embedded broker")
	f.StringVar(&cfg.RabbitMQ, "rabbitmq", "", "amqp:// URL of a RabbitMQ that carries the events instead of Kafka")
	f.StringVar(&cfg.Postgres, "postgres", "", "URL of a PostgreSQL server, with one database per service, that replaces SQLite files")
	f.StringVar(&cfg.Redis, "redis", "", "host:port of a Redis or Valkey that replaces the embedded server")
	f.StringVar(&cfg.Search, "search", "", "URL of an Elasticsearch or OpenSearch that catalog searches in instead of its database")
	f.StringVar(&cfg.Consul, "consul", "", "URL of a Consul agent with which the services register and by which they find each other")
	f.StringVar(&cfg.Webhook, "webhook", "", "URL that receives alerts in Alertmanager's format")
	f.BoolVar(&watched, "watch", false, "diagnose alerts; see tenhop watch")
	f.StringArrayVar(&watching.notify, "notify", nil, "receiver of --watch, as of tenhop watch (default .tenhop/incidents.md)")
	f.Var(&size{&cfg.Limits.TraceMemory}, "trace-memory", "memory for the index of traces (default 64MiB)")
	f.Var(&size{&cfg.Limits.LogMemory}, "log-memory", "memory for the index of logs (default 16MiB)")
	f.Var(&size{&cfg.Limits.Disk}, "disk", "disk space for telemetry, log files and read messages together (default 4GiB)")
	f.Var(&size{&cfg.Limits.TraceDisk}, "trace-disk", "part of --disk for traces (default a quarter)")
	f.Var(&size{&cfg.Limits.MetricDisk}, "metric-disk", "part of --disk for metrics (default a quarter)")
	f.Var(&size{&cfg.Limits.LogDisk}, "log-disk", "part of --disk for received logs (default an eighth)")
	f.Var(&size{&cfg.Limits.BrokerDisk}, "broker-disk", "part of --disk for messages that their consumers have read (default a quarter)")
	f.Var(&size{&cfg.Limits.LogFile}, "log-file", "size at which a log file of a process is rotated; one older file is kept (default: all of them take an eighth of --disk)")
	return cmd
}

// parseReplicas parses values such as payment=3.
func parseReplicas(list []string) (map[string]int, error) {
	out := map[string]int{}
	for _, entry := range list {
		name, count, ok := strings.Cut(entry, "=")
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			return nil, fmt.Errorf("--replicas %q: must be SERVICE=NUMBER, such as payment=3", entry)
		}
		out[name] = n
	}
	return out, nil
}

// size is a flag value in bytes, such as 64MiB, 1GiB or 1048576.
type size struct{ bytes *int64 }

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String implements pflag.Value. It uses the largest unit that divides the number.
func (s *size) String() string {
	if s.bytes == nil || *s.bytes == 0 {
		return ""
	}
	for _, u := range units {
		if *s.bytes%u.bytes == 0 {
			return strconv.FormatInt(*s.bytes/u.bytes, 10) + u.suffix
		}
	}
	return ""
}

// Set implements pflag.Value.
func (s *size) Set(v string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(v, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/u.bytes {
			return errors.New("must be a size such as 64MiB")
		}
		*s.bytes = n * u.bytes
		return nil
	}
	return nil
}

// Type implements pflag.Value. Help texts show it.
func (s *size) Type() string { return "size" }

package main

import (
	"context"
	"errors"
	"fmt"
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
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the storefront, its stack and its shoppers",
		Long: `Start thirteen services, the stack that observes them and the shoppers that use
them, each in a process of its own, and stay until Ctrl-C or ` + "`tenhop down`" + `.

The parts listen on loopback, on the ports of the programs they stand for; a
port that is taken is replaced by a free one. Addresses, process IDs and the
token of the fault endpoints are written to .tenhop/up.json.`,
		Example: `  tenhop up
  tenhop up --replicas payment=3 --rps 50
  tenhop up --jaeger http://localhost:16686 --prometheus http://localhost:9090`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Replicas, err = parseReplicas(replicas); err != nil {
				return &usageError{err}
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
	f.StringVar(&cfg.WorkDir, "dir", ".", "directory that holds .tenhop")
	f.StringSliceVar(&replicas, "replicas", nil, "instances of a service, such as payment=3")
	f.Float64Var(&cfg.RPS, "rps", 20, "shoppers' requests a second; 0 for no shoppers")
	f.Uint64Var(&cfg.Seed, "seed", 1, "of the shoppers: the same seed makes the same journeys")
	f.Float64Var(&cfg.Sampling, "sampling", 1, "share of requests whose trace is kept, above 0 to 1")
	f.BoolVar(&cfg.FreePorts, "free-ports", false, "any free ports instead of the well-known ones")
	f.BoolVar(&once, "once", false, "stop again as soon as everything is ready")
	f.StringVar(&cfg.Jaeger, "jaeger", "", "URL of a real Jaeger instead of the embedded store")
	f.StringVar(&cfg.OTLP, "otlp", "", "URL of a real OTLP/gRPC receiver (default with --jaeger: its host, port 4317)")
	f.StringVar(&cfg.Prometheus, "prometheus", "", "URL of a real Prometheus instead of the embedded one")
	f.StringVar(&cfg.Kafka, "kafka", "", "host:port of a real Kafka instead of the embedded broker")
	f.StringVar(&cfg.Postgres, "postgres", "", "URL of a PostgreSQL server, one database a service, instead of SQLite files")
	f.StringVar(&cfg.Redis, "redis", "", "host:port of a real Redis or Valkey instead of the embedded server")
	f.StringVar(&cfg.Webhook, "webhook", "", "URL to post firing and resolved alerts to, in Alertmanager's payload")
	f.Var(&size{&cfg.Limits.TraceMemory}, "trace-memory", "memory for the index of traces (default 64MiB)")
	f.Var(&size{&cfg.Limits.TraceDisk}, "trace-disk", "disk for traces (default 1GiB)")
	f.Var(&size{&cfg.Limits.MetricDisk}, "metric-disk", "disk for metrics (default 1GiB)")
	f.Var(&size{&cfg.Limits.LogMemory}, "log-memory", "memory for the index of logs (default 16MiB)")
	f.Var(&size{&cfg.Limits.LogFile}, "log-file", "size at which a log file is replaced, one older is kept (default 64MiB)")
	return cmd
}

// parseReplicas reads payment=3.
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

// size is a number of bytes as a flag: 64MiB, 1GiB, 1048576.
type size struct{ bytes *int64 }

var units = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String writes the largest unit that divides the number.
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

// Set reads a number with or without a unit.
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

// Type names the value in help texts.
func (s *size) Type() string { return "size" }

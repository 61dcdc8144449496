package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

type stackFlags struct {
	app.Config
	rules, dashboards, webhook string
	watchToken                 string
	asked                      backendFlags
}

func newStackCmd() *cobra.Command {
	var f stackFlags
	cmd := &cobra.Command{
		Use:   "stack [PART...]",
		Short: "Run the stack alone, or parts of it, for your own services",
		Long: `Run embedded stand-ins for the OpenTelemetry Collector, Jaeger, Prometheus,
Loki, Kafka and Redis, and the console, in one process until Ctrl-C. They listen
on loopback, on the ports of the programs they stand for.

The parts are ` + strings.Join(app.Parts(), ", ") + `.
Without arguments all of them run.`,
		Example: `  tenhop stack
  tenhop stack otlp jaeger
  tenhop stack --listen jaeger=127.0.0.1:26686 --targets targets.json
  tenhop stack console --jaeger http://localhost:16686 --prometheus http://localhost:9090
  tenhop stack console --config backends.yaml`,
		ValidArgs: app.Parts(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.complete(args); err != nil {
				return err
			}
			s, err := app.Start(cmd.Context(), f.Config)
			if err != nil {
				return advise(err)
			}
			if !s.Supervised() {
				err = writeStack(cmd.OutOrStdout(), s)
			}
			if err == nil {
				<-cmd.Context().Done()
			}
			stop, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 5*time.Second)
			defer cancel()
			if closeErr := s.Close(stop); err == nil {
				err = closeErr
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.WorkDir, "dir", ".", "directory that contains .tenhop")
	fl.StringVar(&f.Stack.DataDir, "data", "", "directory for traces, metrics and Kafka records (default .tenhop/data)")
	fl.StringVar(&f.Stack.LogsDir, "logs", "", "directory with the *.jsonl files that log queries read (default .tenhop/logs)")
	fl.StringVar(&f.Stack.TargetsFile, "targets", "", "scrape targets in Prometheus's file_sd format, JSON (default .tenhop/targets.json)")
	fl.StringVar(&f.rules, "rules", "", "directory with rule files to evaluate besides the built-in ones; a file with the name of a built-in one replaces it")
	fl.StringToStringVar(&f.Stack.Addresses, "listen", nil, "address of an endpoint, `ENDPOINT=ADDRESS`; may be given again")
	fl.Lookup("listen").DefValue = "" // not [] in the help
	fl.StringVar(&f.asked.config, "config", "", "file with the URLs and credentials of the back ends that the console queries (default for the console alone: that named by "+configVariable+")")
	fl.StringVar(&f.asked.jaeger, "jaeger", "", "URL of the Jaeger that the console queries (default: of the file, or the embedded one)")
	fl.StringVar(&f.asked.tempo, "tempo", "", "URL of the Tempo that the console queries, instead of Jaeger")
	fl.StringVar(&f.asked.prometheus, "prometheus", "", "URL of the Prometheus that the console queries (default: of the file, or the embedded one)")
	fl.StringVar(&f.asked.loki, "loki", "", "URL of the Loki that the console queries (default: of the file, or the embedded one)")
	fl.StringVar(&f.dashboards, "dashboards", "", "directory with Grafana dashboards that replace the console's built-in ones")
	fl.StringSliceVar(&f.Console.Hosts, "host", nil, "host name of the console, in addition to localhost and IP addresses")
	fl.StringVar(&f.Console.Watch, "watch", "", "URL of the tenhop watch whose incidents the console shows (default: those in .tenhop/watch)")
	fl.StringVar(&f.watchToken, "watch-token-file", "", "file with the bearer token of --watch")
	fl.StringVar(&f.webhook, "webhook", "", "URL that receives alerts in Alertmanager's format")
	fl.Var(&size{&f.Stack.TraceMemoryBytes}, "trace-memory", "memory for the index of traces (default 64MiB)")
	fl.Var(&size{&f.Stack.TraceDiskBytes}, "trace-disk", "disk space for traces (default 1GiB)")
	fl.Var(&size{&f.Stack.MetricDiskBytes}, "metric-disk", "disk space for metrics (default 1GiB)")
	fl.Var(&size{&f.Stack.LogDiskBytes}, "log-disk", "disk space for received logs (default 1GiB)")
	fl.Var(&size{&f.Stack.BrokerDiskBytes}, "broker-disk", "disk space for Kafka records that their consumers have read (default 1GiB)")
	fl.Var(&size{&f.Stack.LogMemoryBytes}, "log-memory", "memory for the index of logs (default 16MiB)")
	fl.DurationVar(&f.Stack.Retention, "retention", 24*time.Hour, "age at which traces, metrics, received logs and read Kafka records are deleted")
	fl.DurationVar(&f.Stack.ScrapeInterval, "scrape-interval", 2*time.Second, "interval between scrapes")
	fl.DurationVar(&f.Stack.EvaluationInterval, "evaluation-interval", 2*time.Second, "interval between evaluations of the rules")
	return cmd
}

// complete checks the flags and sets the fields of the configuration that do not
// correspond to one flag.
func (f *stackFlags) complete(parts []string) (err error) {
	for _, name := range parts {
		if !slices.Contains(app.Parts(), name) {
			return usagef("there is no part %q; the parts are %s", name, strings.Join(app.Parts(), ", "))
		}
	}
	f.Parts = parts
	if err := checkListen(f.Stack.Addresses); err != nil {
		return err
	}
	for flag, value := range map[string]string{"webhook": f.webhook, "watch": f.Console.Watch, "jaeger": f.asked.jaeger, "tempo": f.asked.tempo, "prometheus": f.asked.prometheus, "loki": f.asked.loki} {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return usagef("--%s: must be a URL such as http://localhost:9090", flag) // the value may contain a password
		}
		if value != "" && flag == "webhook" {
			f.Stack.WebhookURL = u
		}
	}
	for flag, d := range map[string]time.Duration{"retention": f.Stack.Retention, "scrape-interval": f.Stack.ScrapeInterval, "evaluation-interval": f.Stack.EvaluationInterval} {
		if d <= 0 {
			return usagef("--%s %v: must be greater than 0", flag, d)
		}
	}
	f.asked.explicit = !slices.Equal(parts, []string{app.PartConsole}) // the variable is not meant for a stack that runs here
	found, err := f.asked.read()
	if err != nil {
		return err
	}
	f.Console.Prometheus, f.Console.Jaeger, f.Console.Tempo, f.Console.Loki = found.Prometheus, found.Jaeger, found.Tempo, found.Loki
	f.Console.Clients, f.Console.Labels = found.Clients, found.Labels
	if f.rules != "" {
		own, err := app.Directory(f.rules)
		if err != nil {
			return usagef("--rules: %v", err)
		}
		rules, notices, err := app.Rules(own)
		if err != nil {
			return usagef("--rules %s: %v", f.rules, err)
		}
		for _, notice := range notices {
			fmt.Fprintf(os.Stderr, "--rules %s: %s\n", f.rules, notice)
		}
		f.Stack.Rules = rules
	}
	if f.dashboards != "" {
		if f.Console.Dashboards, err = app.Directory(f.dashboards); err != nil {
			return usagef("--dashboards: %v", err)
		}
	}
	if f.watchToken != "" {
		content, err := os.ReadFile(f.watchToken)
		if err != nil {
			return err
		}
		f.Console.WatchToken = strings.TrimSpace(string(content))
	}
	f.Console.Token = os.Getenv("TENHOP_CHAOS_TOKEN")
	f.Stack.Logger = slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f.Inherited, err = supervisor.Inherited()
	return err
}

// checkListen checks the values of --listen.
func checkListen(addresses map[string]string) error {
	known := append(stack.Endpoints(), endpoint.Console)
	for name, address := range addresses {
		if !slices.Contains(known, name) {
			return usagef("--listen %s=%s: there is no endpoint %q; the endpoints are %s", name, address, name, strings.Join(known, ", "))
		}
		_, port, err := net.SplitHostPort(address)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			return usagef("--listen %s=%s: must be ENDPOINT=HOST:PORT", name, address)
		}
	}
	return nil
}

// writeStack prints the addresses and hints for the user.
func writeStack(out io.Writer, s *app.Server) error {
	endpoints := s.Endpoints()
	if err := endpoint.WriteTable(out, endpoints, s.Moved()); err != nil {
		return err
	}
	if u := endpoints[endpoint.OTLPGRPC]; u != "" {
		fmt.Fprintf(out, "\nspans, metrics and logs of your service, in any language; spans are enough:\n  export OTEL_EXPORTER_OTLP_ENDPOINT=%s\n", u)
	}
	if endpoints[endpoint.Prometheus] != "" {
		fmt.Fprintf(out, `
metrics that your service exposes for scraping, once its address is in %s:
  [{"targets":["127.0.0.1:8080"],"labels":{"job":"myservice","instance":"myservice-1"}}]

then, in this directory: tenhop trace --slowest, tenhop diagnose
`, s.TargetsFile())
	}
	_, err := fmt.Fprintln(out, "\nCtrl-C stops it")
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/alerts"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/supervisor"
)

// Sockets that are not the stack's own.
const (
	socketAdmin   = "admin"
	socketConsole = "console"
)

// drillFile, in the data directory, is the history of drills.
const drillFile = "drills.jsonl"

type stackFlags struct {
	dir, data, logs, targets, rules string
	jaeger, prometheus, loki        string
	dashboards, webhook             string
	hosts                           []string
	listen                          map[string]string
	traceMemory, traceDisk          int64
	metricDisk, logMemory           int64
	retention, scrape, evaluation   time.Duration
}

func newStackCmd() *cobra.Command {
	var f stackFlags
	cmd := &cobra.Command{
		Use:   "stack [PART...]",
		Short: "Run the stack alone, or parts of it, for your own services",
		Long: `Run the embedded stand-ins for the OpenTelemetry Collector, Jaeger, Prometheus,
Loki, Kafka and Redis, and the console, on their usual ports, in this process,
until Ctrl-C.

The parts: ` + partNames() + ". None named means all.",
		Example: `  tenhop stack
  tenhop stack otlp jaeger
  tenhop stack --listen jaeger=127.0.0.1:26686 --targets targets.json
  tenhop stack console --jaeger http://localhost:16686 --prometheus http://localhost:9090`,
		ValidArgs: strings.Split(partNames(), ", "),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := f.config(args)
			if err != nil {
				return err
			}
			return runStack(cmd, cfg, f, args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that holds .tenhop")
	fl.StringVar(&f.data, "data", "", "where traces, metrics and records are kept (default .tenhop/data)")
	fl.StringVar(&f.logs, "logs", "", "folder of *.jsonl files to answer log queries from (default .tenhop/logs)")
	fl.StringVar(&f.targets, "targets", "", "scrape targets, JSON in Prometheus's file_sd format (default .tenhop/targets.json)")
	fl.StringVar(&f.rules, "rules", "", "folder of rule files instead of the built-in ones")
	fl.StringToStringVar(&f.listen, "listen", nil, "address of an endpoint, such as jaeger=127.0.0.1:26686")
	fl.StringVar(&f.jaeger, "jaeger", "", "URL of a real Jaeger that the console asks instead")
	fl.StringVar(&f.prometheus, "prometheus", "", "URL of a real Prometheus that the console asks instead")
	fl.StringVar(&f.loki, "loki", "", "URL of a real Loki that the console asks instead")
	fl.StringVar(&f.dashboards, "dashboards", "", "folder of Grafana dashboards that the console shows instead of the built-in ones")
	fl.StringSliceVar(&f.hosts, "host", nil, "name under which the console is reached, beside localhost and IP addresses")
	fl.StringVar(&f.webhook, "webhook", "", "URL to post firing and resolved alerts to, in Alertmanager's payload")
	fl.Var(&size{&f.traceMemory}, "trace-memory", "memory for the index of traces (default 64MiB)")
	fl.Var(&size{&f.traceDisk}, "trace-disk", "disk for traces (default 1GiB)")
	fl.Var(&size{&f.metricDisk}, "metric-disk", "disk for metrics (default 1GiB)")
	fl.Var(&size{&f.logMemory}, "log-memory", "memory for the index of logs (default 16MiB)")
	fl.DurationVar(&f.retention, "retention", 24*time.Hour, "how long traces, metrics and records are kept")
	fl.DurationVar(&f.scrape, "scrape-interval", 2*time.Second, "how often targets are scraped")
	fl.DurationVar(&f.evaluation, "evaluation-interval", 2*time.Second, "how often rules are evaluated")
	return cmd
}

func partNames() string {
	var names []string
	for _, p := range stack.Parts() {
		names = append(names, string(p))
	}
	return strings.Join(append(names, partConsole), ", ")
}

// config turns flags and arguments into the stack's configuration.
func (f *stackFlags) config(parts []string) (stack.Config, error) {
	d, err := supervisor.In(f.dir)
	if err != nil {
		return stack.Config{}, err
	}
	cfg := stack.Config{
		Rules:   alerts.FS,
		DataDir: f.data, LogsDir: f.logs, TargetsFile: f.targets, Addresses: f.listen,
		TraceMemoryBytes: f.traceMemory, TraceDiskBytes: f.traceDisk, MetricDiskBytes: f.metricDisk, LogMemoryBytes: f.logMemory,
		Retention: f.retention, ScrapeInterval: f.scrape, EvaluationInterval: f.evaluation,
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Topics: []string{"orders.placed", "shipments.created"},
	}
	for _, def := range []struct {
		value *string
		path  string
	}{{&cfg.DataDir, "data"}, {&cfg.LogsDir, "logs"}, {&cfg.TargetsFile, "targets.json"}} {
		if *def.value == "" {
			*def.value = d.Path(def.path)
		}
	}
	for _, name := range parts {
		if name == partConsole {
			continue
		}
		if !slices.Contains(stack.Parts(), stack.Part(name)) {
			return cfg, usagef("there is no part %q; the parts are %s", name, partNames())
		}
		cfg.Parts = append(cfg.Parts, stack.Part(name))
	}
	for name, address := range f.listen {
		if known := append(stack.Endpoints(), socketConsole); !slices.Contains(known, name) {
			return cfg, usagef("--listen %s=%s: there is no endpoint %q; the endpoints are %s", name, address, name, strings.Join(known, ", "))
		}
		_, port, err := net.SplitHostPort(address)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			return cfg, usagef("--listen %s=%s: must be ENDPOINT=HOST:PORT", name, address)
		}
	}
	for flag, value := range map[string]string{"webhook": f.webhook, "jaeger": f.jaeger, "prometheus": f.prometheus, "loki": f.loki} {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
			return cfg, usagef("--%s %q: must be a URL such as http://localhost:9090", flag, value)
		}
		if value != "" && flag == "webhook" {
			cfg.WebhookURL = u
		}
	}
	for flag, d := range map[string]time.Duration{"retention": f.retention, "scrape-interval": f.scrape, "evaluation-interval": f.evaluation} {
		if d <= 0 {
			return cfg, usagef("--%s %v: must be above 0", flag, d)
		}
	}
	if f.rules != "" {
		cfg.Rules = os.DirFS(f.rules)
	}
	return cfg, nil
}

// prepare makes what the parts of cfg expect to find.
func prepare(cfg stack.Config) error {
	if err := os.MkdirAll(cfg.LogsDir, 0o700); err != nil {
		return err
	}
	if len(cfg.Parts) > 0 && !slices.Contains(cfg.Parts, stack.Prometheus) {
		return nil
	}
	return createTargets(cfg.TargetsFile)
}

// runStack runs the parts until the command's context ends. The directory is
// taken before anything starts, so that a second stack changes nothing here.
func runStack(cmd *cobra.Command, cfg stack.Config, f stackFlags, parts []string) (err error) {
	inherited, err := supervisor.Inherited()
	if err != nil {
		return err
	}
	admin, page := inherited.Listeners[socketAdmin], inherited.Listeners[socketConsole]
	delete(inherited.Listeners, socketAdmin)
	delete(inherited.Listeners, socketConsole)
	cfg.Listeners, cfg.PacketConns = inherited.Listeners, inherited.PacketConns
	starts := len(parts) == 0 || len(cfg.Parts) > 0 // a console alone looks at what others serve
	var hold *supervisor.Hold
	if starts && admin == nil { // else the supervisor holds it
		d, err := supervisor.In(f.dir)
		if err != nil {
			return err
		}
		if hold, err = d.Hold(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, hold.Release()) }()
	}
	if err := prepare(cfg); err != nil {
		return err
	}
	moved := false
	if len(parts) == 0 || slices.Contains(parts, partConsole) {
		if page == nil {
			if page, moved, err = listenConsole(f.listen[socketConsole]); err != nil {
				return err
			}
		}
		defer page.Close()
		cfg.ConsoleURL = &url.URL{Scheme: "http", Host: page.Addr().String()}
	}
	delete(cfg.Addresses, socketConsole)
	drills := drill.NewHistory(filepath.Join(cfg.DataDir, drillFile))
	cfg.Collectors = append(cfg.Collectors, drill.NewCollector(drills))
	var s *stack.Stack
	endpoints := map[string]string{}
	if starts {
		if s, err = stack.Start(cmd.Context(), cfg); err != nil {
			return err
		}
		for name, wanted := range s.Moved() {
			if f.listen[name] != "" { // asked for, no other would do
				return errors.Join(portInUse(name, wanted), closeStack(cmd.Context(), s))
			}
		}
		endpoints = s.Endpoints()
	}
	if page != nil {
		stop, err := f.serveConsole(page, endpoints, cfg, drills)
		if err != nil {
			return errors.Join(err, closeStack(cmd.Context(), s))
		}
		defer stop()
	}
	if admin != nil {
		srv := &http.Server{Handler: http.HandlerFunc(stackAdmin), ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = srv.Serve(admin) }() // it ends with the process
		defer srv.Close()
	} else {
		if err := announce(cmd, cfg, hold, s, page, moved); err != nil {
			return errors.Join(err, closeStack(cmd.Context(), s))
		}
	}
	<-cmd.Context().Done()
	return closeStack(cmd.Context(), s)
}

// closeStack closes s, if there is one; ctx may have ended.
func closeStack(ctx context.Context, s *stack.Stack) error {
	if s == nil {
		return nil
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.Close(stop)
}

// stackAdmin answers once the stack serves, which is when it is called.
func stackAdmin(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/readyz", "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		http.NotFound(w, r)
	}
}

// announce tells people, and other commands in this directory, what a stack
// that runs by itself serves.
func announce(cmd *cobra.Command, cfg stack.Config, hold *supervisor.Hold, s *stack.Stack, page net.Listener, pageMoved bool) error {
	moved, endpoints := map[string]string{}, map[string]string{}
	if s != nil {
		moved, endpoints = s.Moved(), s.Endpoints()
	}
	if page != nil {
		endpoints[socketConsole] = "http://" + page.Addr().String()
		if pageMoved {
			moved[socketConsole] = consoleAddress
		}
	}
	if hold != nil {
		now := time.Now()
		if err := hold.Announce(supervisor.State{Endpoints: endpoints, PIDs: map[string]int{"stack": os.Getpid()}, StartedAt: now, ReadyAt: &now}); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		note := ""
		if wanted := moved[name]; wanted != "" {
			note = "  (" + wanted + " is taken)"
		}
		fmt.Fprintf(out, "  %-14s %s%s\n", name, endpoints[name], note)
	}
	if u := endpoints["otlp_grpc"]; u != "" {
		fmt.Fprintf(out, "\nspans of your service:\n  export OTEL_EXPORTER_OTLP_ENDPOINT=%s\n", u)
	}
	if endpoints["prometheus"] != "" {
		fmt.Fprintf(out, `
its metrics, from the next scrape on, once %s says where they are:
  [{"targets":["127.0.0.1:8080"],"labels":{"job":"myservice","instance":"myservice-1"}}]

then, in this directory: tenhop trace --slowest, tenhop diagnose
`, cfg.TargetsFile)
	}
	fmt.Fprintln(out, "\nCtrl-C stops it")
	return nil
}

// createTargets leaves an empty list to add to.
func createTargets(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("[]\n")
	return errors.Join(err, f.Close())
}

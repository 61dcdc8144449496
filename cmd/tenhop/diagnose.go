package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/pprof"
	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/signals"
	"github.com/tenhop/tenhop/supervisor"
)

func newDiagnoseCmd() *cobra.Command {
	var cfg collect.Config
	var dir, baseline, at string
	var asJSON, asMarkdown, profiled bool
	var endpoints map[string]string
	var labels []string
	var asked backendFlags
	var own whyFlags
	var pipeline gateFlags
	cmd := &cobra.Command{
		Use:   "diagnose",
		Short: "Say which hop got slower, with evidence",
		Long: `Say which hop got slower, with evidence: the entry operation that left its
baseline, and its added time split over the hops by self time, dependencies,
links and queues; or which hop began to fail. Asks Prometheus for sums and Jaeger
or Tempo for a few traces; either is enough. Files of traces may be OTLP (JSON or
protobuf), Jaeger's, Tempo's or Zipkin's JSON, or the output of an SDK's console
exporter, compressed or not; - is standard input. Exits with 0 whether there is a
spike or not, and with 3 if it finds what --fail-on asks for.

With --before, or with --canary, the times of each hop in two versions are compared. Given
five rounds or more of each that took turns, one file a round, growth is what exceeds the
noise between rounds.

With --why, the process of the hop found records an execution trace for seconds. It
tells on what the slow requests spend their own time: running, waiting for a
processor, a lock, another goroutine, the network, a system call, the garbage
collector or a timer, each with the stack where most is spent.`,
		Example: `  tenhop diagnose
  tenhop diagnose --entry "POST /checkout" --since 15m
  tenhop diagnose --prometheus http://prometheus:9090 --jaeger http://jaeger:16686 --json
  tenhop diagnose --config backends.yaml
  tenhop diagnose --traces incident.json.gz
  tenhop diagnose --traces incident.json.gz --before yesterday.json.gz
  tenhop diagnose --prometheus http://prometheus:9090 --label service=component
  tenhop diagnose --profile
  tenhop diagnose --why
  tenhop diagnose --prometheus http://prometheus:9090 --admin payment=http://payment:9464 --admin-token-file token
  tenhop diagnose --at 2026-11-23T10:05:00Z
  tenhop diagnose --fail-on spike,errors --for 2m --output text --output junit=report.xml
  tenhop diagnose --before old-1.json --traces new-1.json --before old-2.json --traces new-2.json ... --fail-on growth
  tenhop diagnose --canary payment=1.4.0 --jaeger http://jaeger:16686 --since 15m --fail-on growth,errors
  tenhop diagnose --baseline 2026-11-23T10:00:00Z..2026-11-23T10:10:00Z --markdown`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && asMarkdown {
				return usagef("--json and --markdown exclude each other")
			}
			if cmd.Flags().Changed("since") && cfg.Since < 30*time.Second || cfg.Since > 24*time.Hour {
				return usagef("--since %s: between 30s and 24h", cfg.Since)
			}
			if len(cfg.Before) > 0 && (len(cfg.Traces) == 0 || baseline != "") {
				return usagef("--before goes with --traces, and without --baseline")
			}
			if err := parseBaseline(baseline, &cfg); err != nil {
				return err
			}
			if err := parseAt(at, &cfg); err != nil {
				return err
			}
			if at != "" && (len(cfg.Traces) > 0 || profiled || len(endpoints) > 0 || own.asked()) {
				return usagef("--at goes with back ends only: files hold their own times, and profiles and recordings are of now")
			}
			if err := pipeline.check(&cfg, cmd.Flags().Changed("fail-on")); err != nil {
				return err
			}
			if (asJSON || asMarkdown) && len(pipeline.outputs) > 0 {
				return usagef("--output stands for --json and --markdown: give either")
			}
			switch {
			case asJSON:
				pipeline.outputs = []string{formatJSON}
			case asMarkdown:
				pipeline.outputs = []string{formatMarkdown}
			}
			if len(cfg.Traces) == 0 {
				if err := asked.forDiagnosis(dir, &cfg); errors.Is(err, supervisor.ErrNotRunning) {
					return fmt.Errorf("%w, or --traces", err)
				} else if err != nil {
					return err
				}
			}
			for _, l := range labels {
				if cfg.Labels == nil {
					cfg.Labels = signals.Labels{}
				}
				if err := cfg.Labels.Add(l); err != nil {
					return usagef("--label %v", err)
				}
			}
			res, err := pipeline.diagnose(cmd.Context(), cfg, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if profiled || len(endpoints) > 0 {
				if err := profile(cmd.Context(), dir, endpoints, &res); err != nil {
					return err
				}
			}
			if own.asked() {
				if err := own.explain(cmd.Context(), dir, &res); err != nil {
					return err
				}
			}
			links := render.Links{Flags: asked.flags()}
			if err := pipeline.write(cmd.OutOrStdout(), res, links, query.Redact(cfg.Jaeger)); err != nil {
				return err
			}
			return pipeline.outcome(res)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "dir", ".", "directory that holds .tenhop")
	asked.addConfig(fl)
	fl.StringVar(&asked.prometheus, "prometheus", "", "URL of Prometheus (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.jaeger, "jaeger", "", "URL of Jaeger (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.tempo, "tempo", "", "URL of Tempo, instead of Jaeger")
	fl.StringArrayVar(&labels, "label", nil, "label of Prometheus that differs from the conventions, as `MEANING=LABEL`; may be given again. Meanings: "+strings.Join(signals.Meanings(), ", "))
	fl.StringVar(&asked.loki, "loki", "", "URL of Loki, for log lines to quote (default: of the file, or of what runs in this directory)")
	fl.StringArrayVar(&cfg.Traces, "traces", nil, "file of traces, instead of everything that runs; may be given again")
	fl.StringArrayVar(&cfg.Before, "before", nil, "file of traces of an ordinary time, to compare those of --traces with; may be given again")
	fl.StringVar(&cfg.Entry, "entry", "", `only requests of this entry, such as "POST /checkout"`)
	fl.DurationVar(&cfg.Since, "since", 0, "how far back to look (default 5m, or 15 scrapes if that is longer)")
	fl.StringVar(&at, "at", "", "moment to look back from, in RFC 3339, for a diagnosis of an earlier incident (default now)")
	fl.StringVar(&baseline, "baseline", "", "what was normal, FROM..TO in RFC 3339 (default: found by itself)")
	fl.DurationVar(&cfg.Timeout, "timeout", 0, "time limit (default 10s for back ends, none for files)")
	fl.BoolVar(&profiled, "profile", false, "profile the service found for 2s; without a spike, store profiles of all services for comparison")
	fl.StringToStringVar(&endpoints, "pprof", nil, "base URL of a service's /debug/pprof, `SERVICE=URL`; implies --profile")
	fl.Lookup("pprof").DefValue = "" // not [] in the help
	own.add(fl)
	pipeline.add(fl)
	fl.BoolVar(&asJSON, "json", false, "print JSON for programs")
	fl.BoolVar(&asMarkdown, "markdown", false, "print Markdown for an incident channel")
	return cmd
}

// profile reads the pprof endpoints of the services that run in dir and those in
// endpoints.
func profile(ctx context.Context, dir string, endpoints map[string]string, res *result.Result) error {
	services := map[string]pprof.Service{}
	if state, err := readState(dir); err == nil {
		for name, processes := range state.Services {
			if len(processes) == 0 {
				continue
			}
			services[name] = pprof.Service{URL: state.Admin[processes[0]], Token: state.Token}
		}
	}
	for name, url := range endpoints {
		services[name] = pprof.Service{URL: url}
	}
	if len(services) == 0 {
		return usagef("--profile knows no service: nothing runs in this directory; give --pprof SERVICE=URL")
	}
	d, err := supervisor.In(dir)
	if err != nil {
		return err
	}
	var unknown *pprof.UnknownServiceError
	if err := pprof.Explain(ctx, &http.Client{Timeout: 10 * time.Second}, services, d.Path("profiles"), res); errors.As(err, &unknown) {
		res.Sources[len(res.Sources)-1].Error += "; give --pprof " + unknown.Service + "=URL"
	}
	return nil // the sources have any other error
}

// forDiagnosis sets the back ends of a diagnosis: those of the flags and the file, or
// those of what runs in dir.
func (b *backendFlags) forDiagnosis(dir string, cfg *collect.Config) error {
	found, err := b.read()
	if err != nil {
		return err
	}
	cfg.Prometheus, cfg.Jaeger, cfg.Tempo, cfg.Loki = found.Prometheus, found.Jaeger, found.Tempo, found.Loki
	cfg.Clients, cfg.Labels = found.Clients, found.Labels
	if cfg.Prometheus != "" || cfg.Tempo != "" || cfg.Jaeger != "" && b.jaeger == "" {
		return nil
	}
	state, err := readState(dir)
	switch {
	case err == nil:
		cfg.Prometheus, cfg.Jaeger = state.Endpoints["prometheus"], cmp.Or(cfg.Jaeger, state.Endpoints["jaeger"])
		cfg.Loki = cmp.Or(cfg.Loki, state.Endpoints["loki"])
	case cfg.Jaeger == "": // with Jaeger, a diagnosis needs no Prometheus
		return fmt.Errorf("%w; or give --prometheus and --jaeger, or --config", err)
	}
	return nil
}

func parseAt(s string, cfg *collect.Config) error {
	if s == "" {
		return nil
	}
	var err error
	if cfg.Now, err = time.Parse(time.RFC3339, s); err != nil || cfg.Now.After(time.Now()) {
		return usagef("--at %q is not a past moment in RFC 3339, such as 2026-11-23T10:05:00Z", s)
	}
	return nil
}

func parseBaseline(s string, cfg *collect.Config) error {
	if s == "" {
		return nil
	}
	from, to, ok := strings.Cut(s, "..")
	var err [2]error
	cfg.BaselineFrom, err[0] = time.Parse(time.RFC3339, from)
	cfg.BaselineTo, err[1] = time.Parse(time.RFC3339, to)
	if !ok || err[0] != nil || err[1] != nil || !cfg.BaselineTo.After(cfg.BaselineFrom) {
		return usagef("--baseline %q is not FROM..TO in RFC 3339, such as 2026-11-23T10:00:00Z..2026-11-23T10:10:00Z", s)
	}
	return nil
}

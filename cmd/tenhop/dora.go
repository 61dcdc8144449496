package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/dora"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
	"github.com/tenhop/tenhop/supervisor"
)

func newDoraCmd() *cobra.Command {
	var dir, since, window, tokenFile string
	var asked backendFlags
	var d app.Delivery
	var repositories []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "dora",
		Short: "Print the four DORA metrics: deployments, lead time, failures, recovery",
		Long: `Print deployment frequency, lead time for changes, change failure rate and failed
deployment recovery time, from what production shows:

  versions    service.version in Prometheus (target_info), else in spans of Jaeger or Tempo
  incidents   the history of tenhop watch
  commits     git, if a version is a tag, a commit or a build of one

A deployment is a version of a service that starts to run beside or instead of another
one. It failed if an incident that names the service began within --window, or if an
older version replaced it. What is not known is said and never computed as zero.
docs/dora.md has the definitions.`,
		Example: `  tenhop dora
  tenhop dora --since 7d --json
  tenhop dora --git ../shop --git payment=../payment
  tenhop dora --prometheus http://prometheus:9090 --versions 'target_info{deployment_environment_name="production"}'
  tenhop dora --prometheus http://prometheus:9090 --incidents http://tenhop:9099/incidents --token-file token`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if d.Since, err = days(since); err != nil || d.Since < time.Minute {
				return usagef("--since %q: must be a duration of at least a minute, such as 30d or 12h", since)
			}
			if d.Window, err = days(window); err != nil || d.Window <= 0 {
				return usagef("--window %q: must be a duration, such as 1h", window)
			}
			if d.Git, err = gitDirs(repositories); err != nil {
				return err
			}
			if d.Git == nil {
				d.Git = app.Repository(cmd.Context(), dir)
			}
			if err := deliveryFrom(dir, &asked, &d); err != nil {
				return err
			}
			if tokenFile != "" {
				content, err := os.ReadFile(tokenFile)
				if err != nil {
					return err
				}
				d.Token = strings.TrimSpace(string(content))
			}
			r, err := d.Report(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			return dora.Text(cmd.OutOrStdout(), r)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&dir, "dir", ".", "directory that holds .tenhop")
	asked.addConfig(fl)
	fl.StringVar(&asked.prometheus, "prometheus", "", "URL of Prometheus (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.jaeger, "jaeger", "", "URL of Jaeger, for versions that metrics lack (default: of the file, or of what runs in this directory)")
	fl.StringVar(&asked.tempo, "tempo", "", "URL of Tempo, instead of Jaeger")
	fl.StringVar(&since, "since", "30d", "time to look at, until now")
	fl.StringVar(&window, "window", "1h", "time after a deployment in which an incident counts against it")
	fl.StringVar(&d.Incidents, "incidents", "", "history of tenhop watch: its URL, such as http://127.0.0.1:9099/incidents, its directory, or a file (default .tenhop/watch)")
	fl.StringVar(&tokenFile, "token-file", "", "file with the bearer token of --incidents")
	fl.StringArrayVar(&repositories, "git", nil, "git repository of the versions, as `DIR` or SERVICE=DIR; may be given again (default: that of --dir, if it is in one)")
	fl.StringVar(&d.Metrics.Selector, "versions", "target_info", "selector of the series that exist while a version runs")
	fl.StringVar(&d.Metrics.Version, "version-label", "service_version", "label of these series with the version")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// deliveryFrom sets the back ends and the incidents: those of the flags and the file, or
// those of what runs in dir.
func deliveryFrom(dir string, asked *backendFlags, d *app.Delivery) error {
	var cfg collect.Config
	if err := asked.forDiagnosis(dir, &cfg); err != nil {
		return err
	}
	return deliveryAt(dir, cfg, d)
}

// deliveryAt sets the back ends of a diagnosis and the incidents of dir.
func deliveryAt(dir string, cfg collect.Config, d *app.Delivery) error {
	var err error
	if cfg.Prometheus != "" {
		if d.Metrics.Client, err = prometheus.New(cfg.Prometheus, cfg.Clients.Prometheus); err != nil {
			return fmt.Errorf("--prometheus: %w", err)
		}
	}
	d.Metrics.Labels = cfg.Labels["service"]
	if cfg.Jaeger != "" || cfg.Tempo != "" {
		if d.Traces, err = traces.Open(cfg.Jaeger, cfg.Tempo, cfg.Clients); err != nil {
			return err
		}
	}
	state, err := supervisor.In(dir)
	if err != nil {
		return err
	}
	d.Incidents = cmp.Or(d.Incidents, state.Path("watch"))
	return nil
}

// gitDirs returns the repositories of --git by service, or nil if there are none.
func gitDirs(given []string) (map[string]string, error) {
	if len(given) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, g := range given {
		service, path, ok := strings.Cut(g, "=")
		if !ok {
			service, path = "", g
		}
		if path == "" {
			return nil, usagef("--git %q: must be DIR or SERVICE=DIR", g)
		}
		out[service] = path
	}
	return out, nil
}

// days parses a duration that may have days, such as 30d.
func days(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		f, err := strconv.ParseFloat(n, 64)
		return time.Duration(f * 24 * float64(time.Hour)), err
	}
	return time.ParseDuration(s)
}

// exportDelivery registers the delivery metrics of the incidents in a directory and of the
// back ends of a diagnosis, and renews them until ctx ends.
func exportDelivery(ctx context.Context, dir, incidents string, cfg collect.Config, reg client.Registerer) error {
	d := app.Delivery{Since: app.DeliverySince, Incidents: incidents, Git: app.Repository(ctx, dir)}
	if err := deliveryAt(dir, cfg, &d); err != nil {
		return err
	}
	d.Traces = nil // thousands of searches
	c := dora.NewCollector(d.Report)
	go c.Run(ctx, exportEvery, slog.Default())
	return reg.Register(c)
}

// exportEvery is the interval at which a fleet's Prometheus is asked for its versions.
const exportEvery = 5 * time.Minute

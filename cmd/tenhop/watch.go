package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/internal/app"
	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/watch"
)

type watchFlags struct {
	dir, listen, tokenFile, grafana, template, console string
	notify                                             []string
	poll, look, dryRun                                 bool
	timing                                             watch.Timing
	begin                                              time.Time
	asked                                              backendFlags
}

func newWatchCmd() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Answer alerts with their diagnosis",
		Long: `Take alerts from Alertmanager's webhook and from Prometheus, diagnose them, and post
the answer. Alerts that fire together or share a cause are one incident. An incident
has one message, which is updated when the diagnosis becomes sure and when the alerts
are resolved. What a receiver misses is kept in .tenhop/watch and sent later.

Alertmanager posts to http://ADDRESS/alerts; http://ADDRESS/incidents has the history,
http://ADDRESS/metrics the metrics. The token of --token-file protects them; an address
that is not loopback needs one.

Credentials are in the environment: SLACK_BOT_TOKEN (scope chat:write) and GRAFANA_TOKEN
(a service account that may write annotations).`,
		Example: `  tenhop watch --dry-run
  tenhop watch --notify file:incidents.md
  tenhop watch --prometheus http://prometheus:9090 --jaeger http://jaeger:16686 --notify slack://C0123456789
  tenhop watch --config backends.yaml --listen :9099 --token-file token --notify https://example.com/hook --template body.tmpl
  tenhop watch --notify https://hooks.slack.com/services/... --grafana http://grafana:3000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "directory that holds .tenhop")
	f.asked.addConfig(fl)
	fl.StringVar(&f.asked.prometheus, "prometheus", "", "URL of Prometheus (default: of the file, or of what runs in this directory)")
	fl.StringVar(&f.asked.jaeger, "jaeger", "", "URL of Jaeger (default: of the file, or of what runs in this directory)")
	fl.StringVar(&f.asked.tempo, "tempo", "", "URL of Tempo, instead of Jaeger")
	fl.StringVar(&f.asked.loki, "loki", "", "URL of Loki (default: of the file, or of what runs in this directory)")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:9099", "address for Alertmanager's webhook")
	fl.StringVar(&f.tokenFile, "token-file", "", "file with the bearer token that requests need")
	fl.BoolVar(&f.poll, "poll", true, "also read the firing alerts of Prometheus")
	fl.BoolVar(&f.look, "look", false, "also diagnose the metrics every 2 s, before any alert fires")
	fl.StringArrayVar(&f.notify, "notify", nil, "receiver of messages: slack://CHANNEL, URL of a webhook, or file:PATH; may be given again")
	fl.StringVar(&f.template, "template", "", "file with a Go template of the body for webhooks (default: the message as JSON)")
	fl.StringVar(&f.grafana, "grafana", "", "URL of the Grafana that gets an annotation per incident")
	fl.StringVar(&f.console, "console", "", "URL of the console, to whose page of an incident messages link (default: of what runs in this directory)")
	fl.BoolVar(&f.dryRun, "dry-run", false, "print messages instead of sending them")
	fl.DurationVar(&f.timing.Settle, "settle", 2*time.Second, "time for which an alert fires before it is posted")
	fl.DurationVar(&f.timing.Quiet, "quiet", time.Minute, "time without an alert after which an incident is closed")
	fl.DurationVar(&f.timing.Patience, "patience", 20*time.Second, "time after which an incident is posted although its diagnosis is not sure")
	fl.DurationVar(&f.timing.Forget, "forget", 5*time.Hour, "time after which an alert of the webhook that nobody repeats or resolves is taken as resolved")
	return cmd
}

func (f *watchFlags) run(ctx context.Context, out io.Writer) error {
	receivers, err := f.receivers(out)
	if err != nil {
		return err
	}
	if f.timing.Settle <= 0 || f.timing.Quiet <= 0 || f.timing.Patience <= 0 || f.timing.Forget <= 0 {
		return usagef("--settle, --quiet, --patience and --forget must be greater than 0")
	}
	token, err := f.token()
	if err != nil {
		return err
	}
	var cfg collect.Config
	if err := f.asked.forDiagnosis(f.dir, &cfg); err != nil {
		return err
	}
	d, err := supervisor.In(f.dir)
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	if state, err := readState(f.dir); err == nil && f.console == "" && state.Endpoints["prometheus"] == cfg.Prometheus {
		f.console = state.Endpoints["console"]
	}
	c := watch.Config{Dir: d.Path("watch"), Console: f.console, Begin: f.begin, Diagnose: app.DiagnoseAlert(cfg), Receivers: receivers, Timing: f.timing, Metrics: reg}
	if f.dryRun {
		if c.Dir, err = os.MkdirTemp("", "tenhop-watch-"); err != nil {
			return err
		}
		defer os.RemoveAll(c.Dir)
	}
	if f.poll && cfg.Prometheus != "" {
		if c.Alerts, err = app.FiringAlerts(cfg); err != nil {
			return err
		}
	}
	if f.look {
		if cfg.Prometheus == "" {
			return usagef("--look needs a Prometheus: give --prometheus URL")
		}
		c.Look = app.Look(cfg)
	}
	w, err := watch.New(c)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := exportDelivery(ctx, f.dir, c.Dir, cfg, reg); err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address by --listen", err)
	}
	handler := w.Handler(l.Addr(), token, promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	fmt.Fprintf(out, "Alertmanager's webhook  http://%s/alerts\nincidents               http://%s/incidents\n", l.Addr(), l.Addr())
	for _, r := range receivers {
		fmt.Fprintf(out, "messages to             %s\n", r.Name())
	}
	fmt.Fprintln(out)
	return serveAlerts(ctx, w, l, handler)
}

// serveAlerts runs w and serves its handler until ctx ends. It fails if the listener ends
// earlier, since alerts would then be lost.
func serveAlerts(ctx context.Context, w *watch.Watcher, l net.Listener, handler http.Handler) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		err := srv.Serve(connlimit.Listener(l, connlimit.Default))
		cancel()
		ended <- err
	}()
	w.Run(running)
	_ = srv.Close() // its error is that of the listener
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the listener for alerts ended: %w", err)
	}
	return nil
}

// ownBaseline is the time after a start for which a system is compared with the run before.
const ownBaseline = time.Minute

// beside watches what runs in the directory until ctx ends. It returns at once.
func (f *watchFlags) beside(ctx context.Context, out io.Writer) error {
	f.listen, f.poll, f.asked.explicit = "127.0.0.1:0", true, true
	f.look, f.begin = true, time.Now().Add(ownBaseline)
	f.timing = watch.Timing{Settle: 2 * time.Second, Quiet: time.Minute, Patience: 20 * time.Second, Forget: 5 * time.Hour}
	if len(f.notify) == 0 {
		d, err := supervisor.In(f.dir)
		if err != nil {
			return err
		}
		f.notify = []string{"file:" + d.Path("incidents.md")}
	}
	if _, err := f.receivers(out); err != nil {
		return err
	}
	go func() {
		if err := f.run(ctx, out); err != nil {
			fmt.Fprintf(out, "alerts are not watched: %v\n", err)
		}
	}()
	return nil
}

// receivers returns where messages go.
func (f *watchFlags) receivers(out io.Writer) ([]watch.Receiver, error) {
	var body *template.Template
	if f.template != "" {
		text, err := os.ReadFile(f.template)
		if err != nil {
			return nil, err
		}
		if body, err = watch.NewTemplate(string(text)); err != nil {
			return nil, usagef("--template %s: %v", f.template, err)
		}
	}
	secrets := watch.Secrets{Slack: os.Getenv("SLACK_BOT_TOKEN"), SlackAPI: os.Getenv("SLACK_API_URL"), Grafana: os.Getenv("GRAFANA_TOKEN")}
	var list []watch.Receiver
	for _, target := range f.notify {
		r, err := watch.NewReceiver(target, secrets, body)
		if err != nil {
			return nil, usagef("--notify: %v", err)
		}
		list = append(list, r)
	}
	if f.grafana != "" {
		r, err := watch.NewGrafana(f.grafana, secrets)
		if err != nil {
			return nil, usagef("--grafana: %v", err)
		}
		list = append(list, r)
	}
	switch {
	case f.dryRun:
		return []watch.Receiver{watch.NewPrinter(out)}, nil
	case len(list) == 0:
		return nil, usagef("give --notify URL, --grafana URL or --dry-run")
	}
	return list, nil
}

// token returns the token that requests need. An address that others reach needs one.
func (f *watchFlags) token() (string, error) {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return "", usagef("--listen %q: must be HOST:PORT", f.listen)
	}
	if f.tokenFile == "" {
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return "", usagef("--listen %s can be reached from the network; give --token-file FILE", f.listen)
		}
		return "", nil
	}
	content, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", err
	}
	if token := strings.TrimSpace(string(content)); token != "" {
		return token, nil
	}
	return "", usagef("--token-file %s is empty", f.tokenFile)
}

package app

import (
	"context"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/watch"
)

// Baseline of an alert: the minutes that end shortly before it. Rules page by rates over
// a while, so what an alert is about began earlier than the alert.
const (
	alertBaseline = 5 * time.Minute
	alertLead     = 30 * time.Second
	shownSince    = 24 * time.Hour
)

// DiagnoseAlert returns a function that diagnoses what an alert is about at the back ends
// of cfg. The change from the baseline is looked for from 5 minutes before the alert on, but
// in the last 24 hours at most; if that is not sure, these minutes are the baseline, unless
// they are longer ago. An entry that the metrics do not know is left out.
func DiagnoseAlert(cfg collect.Config) func(context.Context, watch.Question) (result.Result, error) {
	return func(ctx context.Context, q watch.Question) (result.Result, error) {
		cfg := cfg
		cfg.Entry = q.Entry
		age := time.Since(q.At) + alertBaseline
		cfg.Since = min(max(age, alertBaseline), shownSince)
		first, err := collect.Run(ctx, cfg)
		if found(first) || err != nil && q.Entry == "" {
			return first, err
		}
		if age <= shownSince { // a query over all of a longer time would run at each diagnosis
			again := cfg
			again.BaselineFrom, again.BaselineTo = q.At.Add(-alertBaseline), q.At.Add(-alertLead)
			if second, err := collect.Run(ctx, again); err == nil && found(second) {
				return second, nil
			}
		}
		if q.Entry != "" {
			cfg.Entry = ""
			if third, err := collect.Run(ctx, cfg); err == nil && found(third) {
				return third, nil
			}
		}
		return first, err
	}
}

// Look returns a function that diagnoses the metrics at the Prometheus of cfg, from 5
// minutes before since on. Traces and logs are not asked: it is called at each scrape.
func Look(cfg collect.Config) func(context.Context, time.Time) (result.Result, error) {
	cfg.Jaeger, cfg.Tempo, cfg.Loki = "", "", ""
	return func(ctx context.Context, since time.Time) (result.Result, error) {
		cfg := cfg
		cfg.Since = alertBaseline
		if !since.IsZero() {
			cfg.Since = min(max(time.Since(since)+alertBaseline, alertBaseline), shownSince)
		}
		return collect.Run(ctx, cfg)
	}
}

func found(r result.Result) bool { return r.Verdict == result.Spike || r.Verdict == result.Errors }

// FiringAlerts returns a function that asks the Prometheus of cfg for its firing alerts.
func FiringAlerts(cfg collect.Config) (func(context.Context) ([]watch.Alert, error), error) {
	client, err := prometheus.New(cfg.Prometheus, cfg.Clients.Prometheus)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]watch.Alert, error) {
		active, err := client.Alerts(ctx)
		return watch.Firing(active), err
	}, nil
}

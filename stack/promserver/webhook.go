package promserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/util/strutil"
)

// payload is Alertmanager's webhook payload, version 4. Alerts of a rule that
// change at the same time form a group, as with group_by: [alertname].
type (
	payload struct {
		Version           string            `json:"version"`
		GroupKey          string            `json:"groupKey"`
		TruncatedAlerts   int               `json:"truncatedAlerts"`
		Status            string            `json:"status"`
		Receiver          string            `json:"receiver"`
		GroupLabels       map[string]string `json:"groupLabels"`
		CommonLabels      map[string]string `json:"commonLabels"`
		CommonAnnotations map[string]string `json:"commonAnnotations"`
		ExternalURL       string            `json:"externalURL"`
		Alerts            []payloadAlert    `json:"alerts"`
	}
	payloadAlert struct {
		Status       string            `json:"status"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
		StartsAt     time.Time         `json:"startsAt"`
		EndsAt       time.Time         `json:"endsAt"`
		GeneratorURL string            `json:"generatorURL"`
		Fingerprint  string            `json:"fingerprint"`
	}
)

const (
	webhookQueue   = 64
	webhookTries   = 4
	webhookTimeout = 5 * time.Second
	webhookBackoff = 500 * time.Millisecond
)

// webhook posts alerts from its own goroutine, so that a slow receiver does not
// delay evaluations. Alerts that exceed the queue are dropped and counted.
type webhook struct {
	target   *url.URL
	external *url.URL
	log      *slog.Logger
	queue    chan payload
	client   *http.Client
	sent     prometheus.Counter
	failed   prometheus.Counter
}

func newWebhook(target, external *url.URL, log *slog.Logger, reg prometheus.Registerer) *webhook {
	w := &webhook{
		target: target, external: external, log: log,
		queue:  make(chan payload, webhookQueue),
		client: &http.Client{Timeout: webhookTimeout, Transport: &http.Transport{MaxIdleConns: 2, IdleConnTimeout: time.Minute}},
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenhop_alert_webhook_sent_total", Help: "Alert groups delivered to the webhook.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenhop_alert_webhook_failed_total", Help: "Alert groups not delivered: the webhook failed or was too slow.",
		}),
	}
	reg.MustRegister(w.sent, w.failed)
	return w
}

// notify implements rules.NotifyFunc.
func (w *webhook) notify(_ context.Context, expr string, alerts ...*rules.Alert) {
	if w.target == nil || len(alerts) == 0 {
		return
	}
	select {
	case w.queue <- w.payload(expr, alerts):
	default:
		w.failed.Inc()
		w.log.Warn("alert webhook is too slow, alerts dropped", "alerts", len(alerts))
	}
}

func (w *webhook) payload(expr string, alerts []*rules.Alert) payload {
	p := payload{Version: "4", Status: "resolved", Receiver: "webhook", ExternalURL: w.external.String()}
	for _, a := range alerts {
		pa := payloadAlert{
			Status:       "firing",
			Labels:       a.Labels.Map(),
			Annotations:  a.Annotations.Map(),
			StartsAt:     a.FiredAt,
			GeneratorURL: w.external.String() + strutil.TableLinkForExpression(expr),
			Fingerprint:  fmt.Sprintf("%016x", a.Labels.Hash()),
		}
		if !a.ResolvedAt.IsZero() {
			pa.Status, pa.EndsAt = "resolved", a.ResolvedAt
		} else {
			p.Status = "firing"
		}
		if p.Alerts == nil {
			p.CommonLabels, p.CommonAnnotations = a.Labels.Map(), a.Annotations.Map()
		} else {
			keepCommon(p.CommonLabels, pa.Labels)
			keepCommon(p.CommonAnnotations, pa.Annotations)
		}
		p.Alerts = append(p.Alerts, pa)
	}
	name := alerts[0].Labels.Get(labels.AlertName)
	p.GroupLabels = map[string]string{labels.AlertName: name}
	p.GroupKey = fmt.Sprintf("{}:{alertname=%q}", name)
	return p
}

func keepCommon(common, other map[string]string) {
	for k, v := range common {
		if other[k] != v {
			delete(common, k)
		}
	}
}

func (w *webhook) run(ctx context.Context) {
	defer w.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-w.queue:
			if err := w.deliver(ctx, p); err != nil {
				w.failed.Inc()
				w.log.Warn("alert webhook failed", "url", w.target.Redacted(), "error", err)
				continue
			}
			w.sent.Inc()
		}
	}
}

// deliver posts a payload. It retries with exponential backoff, except after a
// response that reports a bad request.
func (w *webhook) deliver(ctx context.Context, p payload) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	pause := webhookBackoff
	for try := 1; ; try++ {
		again, err := w.post(ctx, body)
		if err == nil || !again || try == webhookTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			pause *= 2
		}
	}
}

func (w *webhook) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.target.String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tenhop")
	resp, err := w.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // allows the connection to be reused
	if resp.StatusCode/100 == 2 {
		return false, nil
	}
	return resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests, fmt.Errorf("answered %s", resp.Status)
}

package watch

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
)

// Alert is one alert of Alertmanager or Prometheus.
type Alert struct {
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"starts_at"`
	EndsAt   time.Time         `json:"ends_at,omitzero"` // zero while it fires
	Looked   bool              `json:"looked,omitempty"` // found by Config.Look, not by a rule

	// Runbook is the rule's annotation runbook_url if it is an HTTP address, or empty.
	Runbook string `json:"runbook,omitempty"`
}

// Firing reports whether the alert has not been resolved.
func (a Alert) Firing() bool { return a.EndsAt.IsZero() }

// resolve ends the alert at a time, but not before it started: what the run before has left
// may have started after that run noted for the last time that it was alive.
func (a *Alert) resolve(at time.Time) {
	if a.EndsAt = at; at.Before(a.StartsAt) {
		a.EndsAt = a.StartsAt
	}
}

// Name returns the name of the alert's rule.
func (a Alert) Name() string { return query.Printable(a.Labels["alertname"]) }

// Place returns the service or dependency that the alert names, or "".
func (a Alert) Place() string {
	for _, label := range []string{"service_name", "service", "dependency", "job"} {
		if v := a.Labels[label]; v != "" {
			return query.Printable(v)
		}
	}
	return ""
}

// Entry returns the entry that the alert names, or "".
func (a Alert) Entry() string { return a.Labels["entry"] }

// heartbeat reports whether the alert fires always, to show that alerting works.
func (a Alert) heartbeat() bool { return a.Labels["severity"] == "none" }

// key identifies the alert whatever its source: a hash of its labels.
func (a Alert) key() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a.Labels)) {
		fmt.Fprintf(&b, "%q=%q,", name, a.Labels[name])
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(b.String())))[:16]
}

// Bounds of what an alert may hold.
const (
	maxLabels    = 64
	maxLabelSize = 1 << 10
)

// ErrNoPayload reports a body that is not a payload of Alertmanager's webhook.
var ErrNoPayload = errors.New("not a payload of Alertmanager's webhook, version 4")

// Decode returns the alerts of a payload of Alertmanager's webhook, version 4. It fails
// with ErrNoPayload.
func Decode(body []byte) ([]Alert, error) {
	var p struct {
		Version string `json:"version"`
		Alerts  []struct {
			Status      string            `json:"status"`
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
			StartsAt    time.Time         `json:"startsAt"`
			EndsAt      time.Time         `json:"endsAt"`
		} `json:"alerts"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPayload, err)
	}
	if p.Version != "4" {
		return nil, fmt.Errorf("%w: the version is %q", ErrNoPayload, p.Version)
	}
	out := make([]Alert, 0, len(p.Alerts))
	for n, a := range p.Alerts {
		alert := Alert{Labels: a.Labels, StartsAt: a.StartsAt, Runbook: runbook(a.Annotations["runbook_url"])}
		switch {
		case a.Status != "firing" && a.Status != "resolved":
			return nil, fmt.Errorf("%w: alert %d has the status %q", ErrNoPayload, n, a.Status)
		case a.Labels["alertname"] == "":
			return nil, fmt.Errorf("%w: alert %d has no alertname", ErrNoPayload, n)
		case a.StartsAt.IsZero():
			return nil, fmt.Errorf("%w: alert %d has no startsAt", ErrNoPayload, n)
		case len(a.Labels) > maxLabels:
			return nil, fmt.Errorf("%w: alert %d has more than %d labels", ErrNoPayload, n, maxLabels)
		}
		for _, v := range a.Labels {
			if len(v) > maxLabelSize {
				return nil, fmt.Errorf("%w: a label of alert %d is longer than %d bytes", ErrNoPayload, n, maxLabelSize)
			}
		}
		if a.Status == "resolved" { // endsAt of a firing alert is when it would expire
			if alert.EndsAt = a.EndsAt; a.EndsAt.IsZero() {
				alert.EndsAt = time.Now()
			}
		}
		out = append(out, alert)
	}
	return out, nil
}

// runbook returns the address of an alert's runbook if it is one of HTTP, or "".
func runbook(at string) string {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(at) > maxLabelSize {
		return ""
	}
	return u.String()
}

// Firing returns the firing alerts of Prometheus's API. StartsAt is when their
// condition became true.
func Firing(active []prometheus.Alert) []Alert {
	var out []Alert
	for _, a := range active {
		at, err := time.Parse(time.RFC3339Nano, a.ActiveAt)
		if err != nil {
			at = time.Now()
		}
		if a.State == "firing" && len(a.Labels) <= maxLabels {
			out = append(out, Alert{Labels: a.Labels, StartsAt: at, Runbook: runbook(a.Annotations["runbook_url"])})
		}
	}
	return out
}

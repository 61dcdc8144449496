package watch

import (
	"bytes"
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

// Bounds of what an alert may hold, and a payload.
const (
	maxLabels    = 64
	maxLabelSize = 1 << 10 // of a name, a value and the address of a runbook, in bytes
	maxAlertJSON = 1 << 20 // with its annotations
	maxPayload   = 5000    // alerts
)

// fits returns why the labels of an alert exceed the bounds, or "".
func fits(labels map[string]string) string {
	if len(labels) > maxLabels {
		return fmt.Sprintf("has more than %d labels", maxLabels)
	}
	for name, v := range labels {
		if max(len(name), len(v)) > maxLabelSize {
			return fmt.Sprintf("has a label that is longer than %d bytes", maxLabelSize)
		}
	}
	return ""
}

// size returns about how many bytes the alert takes in memory and in a file.
func (a Alert) size() int {
	n := 200 + len(a.Runbook)
	for name, v := range a.Labels {
		n += len(name) + len(v) + 10
	}
	return n
}

// ErrNoPayload reports a body that is not a payload of Alertmanager's webhook.
var ErrNoPayload = errors.New("not a payload of Alertmanager's webhook, version 4")

// Decode returns the alerts of a payload of Alertmanager's webhook, version 4. It fails
// with ErrNoPayload.
func Decode(body []byte) ([]Alert, error) {
	var p struct {
		Version string  `json:"version"`
		Alerts  payload `json:"alerts"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPayload, err)
	}
	if p.Version != "4" {
		return nil, fmt.Errorf("%w: the version is %q", ErrNoPayload, p.Version)
	}
	return p.Alerts, nil
}

// payload decodes one alert at a time, so that those that are refused take no memory.
type payload []Alert

// UnmarshalJSON implements json.Unmarshaler.
func (p *payload) UnmarshalJSON(list []byte) error {
	dec := json.NewDecoder(bytes.NewReader(list))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('[') {
		return err // null, or nothing that has elements
	}
	for n := 0; dec.More(); n++ {
		var content json.RawMessage
		if err := dec.Decode(&content); err != nil {
			return err
		}
		if n >= maxPayload {
			return fmt.Errorf("there are more than %d alerts", maxPayload)
		}
		if len(content) > maxAlertJSON {
			return fmt.Errorf("alert %d has more than %d bytes", n, maxAlertJSON)
		}
		a, err := decodeAlert(content)
		if err != nil {
			return fmt.Errorf("alert %d %w", n, err)
		}
		*p = append(*p, a)
	}
	return nil
}

// decodeAlert decodes an alert. Its error follows what names the alert.
func decodeAlert(content []byte) (Alert, error) {
	var a struct {
		Status      string            `json:"status"`
		Labels      map[string]string `json:"labels"`
		Annotations struct {
			Runbook string `json:"runbook_url"`
		} `json:"annotations"`
		StartsAt time.Time `json:"startsAt"`
		EndsAt   time.Time `json:"endsAt"`
	}
	if err := json.Unmarshal(content, &a); err != nil {
		return Alert{}, fmt.Errorf("cannot be read: %w", err)
	}
	alert := Alert{Labels: a.Labels, StartsAt: a.StartsAt, Runbook: runbook(a.Annotations.Runbook)}
	switch {
	case a.Status != "firing" && a.Status != "resolved":
		return Alert{}, fmt.Errorf("has the status %q", a.Status)
	case a.Labels["alertname"] == "":
		return Alert{}, errors.New("has no alertname")
	case a.StartsAt.IsZero():
		return Alert{}, errors.New("has no startsAt")
	}
	if why := fits(a.Labels); why != "" {
		return Alert{}, errors.New(why)
	}
	if a.Status == "resolved" { // endsAt of a firing alert is when it would expire
		if alert.EndsAt = a.EndsAt; a.EndsAt.IsZero() {
			alert.EndsAt = time.Now()
		}
	}
	return alert, nil
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
		if a.State == "firing" && fits(a.Labels) == "" {
			out = append(out, Alert{Labels: a.Labels, StartsAt: at, Runbook: runbook(a.Annotations["runbook_url"])})
		}
	}
	return out
}

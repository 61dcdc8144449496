package mwtest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/hop"
)

// Recorder records the signals that are reported to its Telemetry.
type Recorder struct {
	*hop.Telemetry
	Registry *prometheus.Registry

	t     testing.TB
	spans *provider
	mu    sync.Mutex
	log   bytes.Buffer
}

// New returns a Recorder. opts override the Recorder's options, such as the name,
// the clock or a limit. It fails the test for an invalid option.
func New(t testing.TB, opts ...hop.Option) *Recorder {
	t.Helper()
	r := &Recorder{t: t, Registry: prometheus.NewRegistry(), spans: &provider{}}
	tel, err := hop.New(append([]hop.Option{hop.WithServiceName("test"), hop.WithRegistry(r.Registry),
		hop.WithTracerProvider(r.spans), hop.WithZerolog(zerolog.New(lockedLog{r}))}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	r.Telemetry = tel
	return r
}

// lockedLog is a writer for the log lines of concurrent requests.
type lockedLog struct{ r *Recorder }

func (l lockedLog) Write(p []byte) (int, error) {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	return l.r.log.Write(p)
}

// Lines returns all log lines, decoded.
func (r *Recorder) Lines() []map[string]any {
	r.t.Helper()
	r.mu.Lock()
	raw := bytes.Clone(r.log.Bytes())
	r.mu.Unlock()
	var lines []map[string]any
	for line := range bytes.Lines(raw) {
		m := map[string]any{}
		if err := json.Unmarshal(line, &m); err != nil {
			r.t.Fatalf("log line %q: %v", line, err)
		}
		lines = append(lines, m)
	}
	return lines
}

// Line returns the log line that has the correlation ID and a duration, which is
// the line of the message. It fails the test unless there is exactly one.
func (r *Recorder) Line(correlationID string) map[string]any {
	r.t.Helper()
	var found []map[string]any
	for _, l := range r.Lines() {
		if _, ok := l["duration_ms"]; ok && l[hop.CorrelationKey] == correlationID {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d lines for correlation ID %q, want 1: %v", len(found), correlationID, r.Lines())
	}
	return found[0]
}

// Spans returns the ended spans in the order in which they ended.
func (r *Recorder) Spans() []Span {
	r.spans.mu.Lock()
	defer r.spans.mu.Unlock()
	return slices.Clone(r.spans.ended)
}

// OpenSpans returns the number of spans that have not ended.
func (r *Recorder) OpenSpans() int {
	r.spans.mu.Lock()
	defer r.spans.mu.Unlock()
	return r.spans.open
}

// Span returns the span with the name. It fails the test unless there is exactly one.
func (r *Recorder) Span(name string) Check {
	r.t.Helper()
	var found []Span
	var names []string
	for _, s := range r.Spans() {
		names = append(names, s.Name)
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d spans named %q, want 1; there are %q", len(found), name, names)
	}
	return Check{Span: found[0], t: r.t}
}

// Check asserts on one span.
type Check struct {
	Span
	t testing.TB
}

// Want fails the test unless the attribute has the value.
func (c Check) Want(key, value string) Check {
	c.t.Helper()
	if got := c.Attributes[key]; got != value {
		c.t.Errorf("span %q: %s is %q, want %q", c.Name, key, got, value)
	}
	return c
}

// Count returns the number of observations in the series of a family that have the
// labels, or their sum for a counter or a gauge. labels are pairs of name and value.
func (r *Recorder) Count(family string, labels ...string) int {
	r.t.Helper()
	n := 0.0
	for _, m := range r.series(family, labels) {
		n += float64(m.GetHistogram().GetSampleCount()) + m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return int(n)
}

// Sum returns the sum of the observations in the series of a histogram that have the
// labels, in the family's unit.
func (r *Recorder) Sum(family string, labels ...string) float64 {
	r.t.Helper()
	sum := 0.0
	for _, m := range r.series(family, labels) {
		sum += m.GetHistogram().GetSampleSum()
	}
	return sum
}

// Series returns the number of series of a family that have the labels.
func (r *Recorder) Series(family string, labels ...string) int {
	r.t.Helper()
	return len(r.series(family, labels))
}

func (r *Recorder) series(family string, labels []string) []*dto.Metric {
	r.t.Helper()
	if len(labels)%2 != 0 {
		r.t.Fatal("mwtest: labels come in pairs of name and value")
	}
	families, err := r.Registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	var found []*dto.Metric
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.GetMetric() {
			if matches(m, labels) {
				found = append(found, m)
			}
		}
	}
	return found
}

func matches(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
			return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
		}) {
			return false
		}
	}
	return true
}

// labelWith returns the name of a label whose value contains text, or "".
func (r *Recorder) labelWith(text string) string {
	r.t.Helper()
	families, err := r.Registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), text) {
					return f.GetName() + "." + l.GetName()
				}
			}
		}
	}
	return ""
}

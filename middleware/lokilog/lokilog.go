// Package lokilog pushes zerolog lines to Loki, for services on a platform that collects
// no logs.
//
//	w, err := lokilog.New("http://loki:3100/loki/api/v1/push", "payment", lokilog.WithRegisterer(rt.Registry))
//	defer w.Close(ctx)
//	logger := zerolog.New(zerolog.MultiLevelWriter(os.Stdout, w))
//
// A write never blocks and never fails. Lines are queued. They are dropped when the
// queue has reached its limit of lines or bytes, and counted in
// tenhop_loki_lines_dropped_total. Loki's client can block its caller for minutes
// while Loki is unavailable, so only the queue's goroutine calls it.
package lokilog

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/rs/zerolog"
)

// The default limits of the queue.
const (
	defaultLines = 8192
	defaultBytes = 8 << 20
)

type config struct {
	lines      int
	bytes      int64
	tenant     string
	batchWait  time.Duration
	labels     map[string]string
	registerer prometheus.Registerer
}

// Option configures a Writer.
type Option func(*config)

// WithQueue sets the limits of the queue in lines and bytes, both positive. The default
// is 8,192 lines and 8 MiB.
func WithQueue(lines int, bytes int64) Option {
	return func(c *config) { c.lines, c.bytes = lines, bytes }
}

// WithTenant sets X-Scope-OrgID, for a Loki with several tenants.
func WithTenant(id string) Option { return func(c *config) { c.tenant = id } }

// WithBatchWait sets the maximum time before a batch is sent. The default is 1 s.
func WithBatchWait(d time.Duration) Option { return func(c *config) { c.batchWait = d } }

// WithLabels adds labels to service and level. Each combination of values is a
// stream in Loki. Keep their number small.
func WithLabels(labels map[string]string) Option { return func(c *config) { c.labels = labels } }

// WithRegisterer registers the counter of dropped lines.
func WithRegisterer(r prometheus.Registerer) Option { return func(c *config) { c.registerer = r } }

// line is a queued log line.
type line struct {
	at    time.Time
	level zerolog.Level
	text  string
}

// Writer is a zerolog.LevelWriter that pushes to Loki. It is safe for
// concurrent use.
type Writer struct {
	client  *loki.Client
	labels  model.LabelSet
	queue   chan line
	bytes   atomic.Int64
	limit   int64
	dropped prometheus.Counter
	done    chan struct{} // closed when the queue is drained and the client stopped

	mu     sync.RWMutex // guards closed against a concurrent send on queue
	closed bool
}

// New returns a Writer that pushes to the URL, which ends in /loki/api/v1/push,
// with the label service. It does not connect, and it succeeds while Loki is
// unavailable.
func New(pushURL, service string, opts ...Option) (*Writer, error) {
	c := config{lines: defaultLines, bytes: defaultBytes, batchWait: loki.BatchWait}
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("lokilog: nil option")
		}
		o(&c)
	}
	u, err := url.Parse(pushURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("lokilog: %q is no URL such as http://loki:3100/loki/api/v1/push", pushURL)
	}
	if service == "" {
		return nil, errors.New("lokilog: the service needs a name")
	}
	if c.lines < 1 || c.bytes < 1 || c.batchWait <= 0 {
		return nil, errors.New("lokilog: the queue's bounds and the batch's wait must be positive")
	}
	w := &Writer{labels: model.LabelSet{"service": model.LabelValue(service)}, queue: make(chan line, c.lines), limit: c.bytes,
		done: make(chan struct{}), dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tenhop_loki_lines_dropped_total", Help: "Log lines that were not handed to Loki: the queue was full or the writer closed.",
		})}
	for k, v := range c.labels {
		if !model.LabelName(k).IsValid() { //nolint:staticcheck // Loki's label names are the old ones
			return nil, fmt.Errorf("lokilog: %q is no label name", k)
		}
		w.labels[model.LabelName(k)] = model.LabelValue(v)
	}
	if c.registerer != nil {
		if err := c.registerer.Register(w.dropped); err != nil {
			var have prometheus.AlreadyRegisteredError
			old, ok := prometheus.Counter(nil), false
			if errors.As(err, &have) {
				old, ok = have.ExistingCollector.(prometheus.Counter)
			}
			if !ok {
				return nil, fmt.Errorf("lokilog: %w", err)
			}
			w.dropped = old
		}
	}
	cfg, err := loki.NewDefaultConfig(pushURL)
	if err != nil {
		return nil, fmt.Errorf("lokilog: %w", err)
	}
	cfg.BatchWait, cfg.TenantID = c.batchWait, c.tenant
	cfg.BackoffConfig.MaxBackoff, cfg.BackoffConfig.MaxRetries = 5*time.Second, 5
	if w.client, err = loki.NewWithLogger(cfg, log.NewNopLogger()); err != nil {
		return nil, fmt.Errorf("lokilog: %w", err)
	}
	go w.run()
	return w, nil
}

// run is the only goroutine that calls the client.
func (w *Writer) run() {
	defer close(w.done)
	for l := range w.queue {
		labels := w.labels.Clone()
		if name := l.level.String(); name != "" {
			labels["level"] = model.LabelValue(name)
		}
		_ = w.client.Handle(labels, l.at, l.text) // its error is always nil
		w.bytes.Add(-int64(len(l.text)))
	}
	w.client.Stop()
}

// Write queues a line without a level. It always reports success.
func (w *Writer) Write(p []byte) (int, error) { return w.WriteLevel(zerolog.NoLevel, p) }

// WriteLevel queues a line. When the queue is full or the Writer is closed, the
// line is dropped and counted.
func (w *Writer) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	n := len(p)
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed || w.bytes.Add(int64(n)) > w.limit {
		if !w.closed {
			w.bytes.Add(-int64(n))
		}
		w.dropped.Inc()
		return n, nil
	}
	text := p
	if n > 0 && p[n-1] == '\n' {
		text = p[:n-1]
		w.bytes.Add(-1)
	}
	select {
	case w.queue <- line{at: time.Now(), level: level, text: string(text)}: // zerolog reuses p
	default:
		w.bytes.Add(-int64(len(text)))
		w.dropped.Inc()
	}
	return n, nil
}

// Close pushes the queued lines and stops the Writer. When ctx ends first it
// returns ctx.Err and counts the queued lines as dropped.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		for range w.queue { // the goroutine may be blocked in the client
			w.dropped.Inc()
		}
		return fmt.Errorf("lokilog: lines were not sent in time: %w", ctx.Err())
	}
}

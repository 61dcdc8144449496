// Package promserver embeds a Prometheus server: its storage, scraper, query
// engine and rules, and its HTTP API under /api/v1.
//
// Unlike the prometheus binary, it reads targets from one JSON file in the format
// of file_sd and rules from an fs.FS, and it sends alerts to a webhook in the
// format of Alertmanager's webhook receiver. Changed files are read again.
package promserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
	"golang.org/x/sync/errgroup"
)

// Defaults of the options.
const (
	DefaultInterval  = 2 * time.Second
	DefaultRetention = 24 * time.Hour
	DefaultDiskBytes = 1 << 30
	// DefaultPushedSeries bounds the head's memory, about 3 kB per series, whatever
	// clients push.
	DefaultPushedSeries = 200_000
	// blockDuration is the time after which samples in the head are written as a
	// block. With Prometheus's two hours and a scrape interval of 2 s, the head
	// takes more memory and its replay after a crash takes minutes.
	blockDuration = 15 * time.Minute
	maxExemplars  = 20_000 // about 100 bytes each; the oldest are overwritten
	queryTimeout  = 30 * time.Second
	maxSamples    = 10_000_000 // per query, 16 bytes each; a query that needs more fails
	maxQueries    = 3          // running at the same time
	lookback      = 5 * time.Minute
	// outOfOrder is the age up to which pushed samples may be older than the newest of
	// their series: processes that do not say who they are, and batches sent again.
	outOfOrder = 5 * time.Minute
)

// Server is a running Prometheus. Create it with Open and end it with Close.
type Server struct {
	scrapeEvery time.Duration
	evalEvery   time.Duration
	retention   time.Duration
	diskBytes   int64
	maxPushed   uint64
	targetsFile string
	static      []StaticTarget
	rulesFS     fs.FS
	webhook     *url.URL
	external    *url.URL
	registry    *prometheus.Registry
	log         *slog.Logger
	startedAt   time.Time

	config  *config.Config
	db      *tsdb.DB
	engine  *promql.Engine
	parser  parser.Parser
	scraper *scrape.Manager
	rules   *rules.Manager
	guarded *guarded
	parsed  *ruleParser
	hook    *webhook
	ruleSrc *ruleLoader
	otlp    http.Handler
	dir     string

	cancel context.CancelFunc
	group  *errgroup.Group
}

// StaticTarget is a scrape target in addition to those of the targets file.
type StaticTarget struct {
	Address string // host:port
	Labels  map[string]string
}

// Option configures a Server.
type Option func(*Server)

// WithScrapeInterval sets the scrape interval and timeout. The default is
// DefaultInterval.
func WithScrapeInterval(d time.Duration) Option { return func(s *Server) { s.scrapeEvery = d } }

// WithEvaluationInterval sets the evaluation interval of rule groups that do not
// define one. The default is DefaultInterval.
func WithEvaluationInterval(d time.Duration) Option { return func(s *Server) { s.evalEvery = d } }

// WithRetention sets the age at which blocks are removed. The default is
// DefaultRetention.
func WithRetention(d time.Duration) Option { return func(s *Server) { s.retention = d } }

// WithDiskBytes sets the maximum size of the blocks on disk. The default is
// DefaultDiskBytes.
func WithDiskBytes(n int64) Option { return func(s *Server) { s.diskBytes = n } }

// WithPushedSeries sets the number of series in memory from which pushed samples of new
// series are refused. Those of known series are stored. The default is
// DefaultPushedSeries.
func WithPushedSeries(n uint64) Option { return func(s *Server) { s.maxPushed = n } }

// WithTargetsFile sets the targets file, JSON in the format of file_sd. The file
// may be created later.
func WithTargetsFile(path string) Option { return func(s *Server) { s.targetsFile = path } }

// WithStaticTargets adds scrape targets.
func WithStaticTargets(t ...StaticTarget) Option {
	return func(s *Server) { s.static = append(s.static, t...) }
}

// WithRules sets the rule files: all *.yaml and *.yml files of fsys.
func WithRules(fsys fs.FS) Option { return func(s *Server) { s.rulesFS = fsys } }

// WithWebhook sets the URL that alerts are posted to, in the format of
// Alertmanager's webhook receiver.
func WithWebhook(u *url.URL) Option { return func(s *Server) { s.webhook = u } }

// WithExternalURL sets the base URL of links in alerts.
func WithExternalURL(u *url.URL) Option { return func(s *Server) { s.external = u } }

// WithRegistry sets the registry for Prometheus's own metrics, which is served at
// /metrics. The default is a new registry.
func WithRegistry(r *prometheus.Registry) Option { return func(s *Server) { s.registry = r } }

// WithLogger sets the logger. The default is slog.Default.
func WithLogger(l *slog.Logger) Option { return func(s *Server) { s.log = l } }

// Open opens the database in dir, which is created if needed, and starts
// scraping and evaluating. It fails if dir cannot be used or a rule file does not
// parse.
func Open(dir string, opts ...Option) (*Server, error) {
	s := &Server{
		dir:         dir,
		scrapeEvery: DefaultInterval,
		evalEvery:   DefaultInterval,
		retention:   DefaultRetention,
		diskBytes:   DefaultDiskBytes,
		maxPushed:   DefaultPushedSeries,
		external:    &url.URL{Scheme: "http", Host: "localhost:9090"},
		log:         slog.Default(),
		startedAt:   time.Now(),
		parser:      parser.NewParser(parser.Options{}),
	}
	for _, o := range opts {
		o(s)
	}
	if s.registry == nil {
		s.registry = prometheus.NewRegistry()
	}
	var err error
	if s.config, err = s.loadConfig(); err != nil {
		return nil, err
	}
	if s.db, err = tsdb.Open(dir, s.log, s.registry, s.tsdbOptions(), nil); err != nil {
		return nil, fmt.Errorf("open metrics database in %s: %w", dir, err)
	}
	s.otlp = s.newOTLPHandler()
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

func (s *Server) tsdbOptions() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = s.retention.Milliseconds()
	o.MaxBytes = s.diskBytes
	o.MinBlockDuration = blockDuration.Milliseconds()
	o.MaxBlockDuration = max(s.retention/10, blockDuration).Milliseconds()
	o.WALSegmentSize = 16 << 20
	o.WALCompression = compression.Snappy
	o.StripeSize = 1 << 11
	o.HeadChunksWriteBufferSize = 1 << 20
	o.OutOfOrderTimeWindow = outOfOrder.Milliseconds()
	o.EnableExemplarStorage = true
	o.MaxExemplars = maxExemplars
	o.EnableMemorySnapshotOnShutdown = true
	// The stack locks the data directory itself.
	o.NoLockfile = true
	return o
}

func (s *Server) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.group, ctx = errgroup.WithContext(ctx)
	s.parsed = &ruleParser{Parser: s.parser}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger: s.log, Reg: s.registry, Parser: s.parsed,
		MaxSamples: maxSamples, Timeout: queryTimeout,
		EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return s.evalEvery.Milliseconds() },
	})
	var err error
	s.scraper, err = scrape.NewManager(&scrape.Options{
		DiscoveryReloadInterval:  model.Duration(500 * time.Millisecond),
		DiscoveryReloadOnStartup: true,
	}, s.log, nil, nil, s.db, s.registry)
	if err != nil {
		cancel()
		return fmt.Errorf("start scraper: %w", err)
	}
	if err := s.scraper.ApplyConfig(s.config); err != nil {
		cancel()
		return fmt.Errorf("start scraper: %w", err)
	}
	s.hook = newWebhook(s.webhook, s.external, s.log, s.registry)
	s.ruleSrc = &ruleLoader{fsys: s.rulesFS, parser: s.parser, log: s.log}
	s.guarded = &guarded{query: rules.EngineQueryFunc(s.engine, s.db)}
	s.rules = rules.NewManager(&rules.ManagerOptions{
		ExternalURL: s.external,
		QueryFunc:   s.guarded.Query,
		NotifyFunc:  s.hook.notify,
		Context:     ctx,
		Appendable:  s.db,
		Queryable:   s.db,
		Logger:      s.log,
		Registerer:  s.registry,
		GroupLoader: s.ruleSrc,
		ResendDelay: time.Minute,
		// Pending alerts keep their start over a restart shorter than this.
		OutageTolerance: time.Hour,
		ForGracePeriod:  10 * s.evalEvery,
		Parser:          s.parser,
	})
	if err := s.updateRules(); err != nil {
		cancel()
		s.rules.Stop()
		return err
	}
	targets := newTargetFile(s.targetsFile, s.static, s.log)
	s.group.Go(func() error { return s.scraper.Run(targets.updates) })
	s.group.Go(func() error { s.rules.Run(); return nil })
	s.group.Go(func() error { targets.watch(ctx); return nil })
	s.group.Go(func() error { s.watchRules(ctx); return nil })
	s.group.Go(func() error { s.hook.run(ctx); return nil })
	return nil
}

// Close stops scraping and evaluating, flushes the head and closes the database.
// Alerts in the queue of the webhook are dropped.
func (s *Server) Close() error {
	s.rules.Stop()
	s.scraper.Stop()
	s.cancel()
	err := s.group.Wait()
	return errors.Join(err, s.engine.Close(), s.db.Close())
}

// Handler returns a handler of Prometheus's HTTP API under /api/v1, /metrics,
// /-/healthy and /-/ready. At most three queries run at a time; further ones wait.
func (s *Server) Handler() http.Handler { return s.routes() }

// A scrape that exceeds a limit fails, and the target is down with the limit as its error.
const configTemplate = `
global:
  body_size_limit: 64MB
  sample_limit: 500000
  label_limit: 200
  scrape_interval: %[1]s
  scrape_timeout: %[1]s
  evaluation_interval: %[2]s
scrape_configs:
  - job_name: %[3]s
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
    honor_timestamps: true
    enable_compression: false
otlp:
  promote_resource_attributes: [service.name, service.instance.id]
`

// loadConfig returns the configuration with Prometheus's defaults.
func (s *Server) loadConfig() (*config.Config, error) {
	c, err := config.Load(fmt.Sprintf(configTemplate, model.Duration(s.scrapeEvery), model.Duration(s.evalEvery), scrapePool), s.log)
	if err != nil {
		return nil, fmt.Errorf("prometheus configuration: %w", err)
	}
	return c, nil
}

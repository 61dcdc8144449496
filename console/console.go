package console

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/tenhop/tenhop/console/servicemap"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/signals"
)

// Config configures a Console. A source without a URL is not used, and the page reports
// it as missing.
type Config struct {
	Prometheus string // URL
	Jaeger     string // URL
	Tempo      string // URL, instead of Jaeger
	Loki       string // URL
	Clients    query.Clients
	Labels     signals.Labels // label names in Prometheus that differ from the conventions

	Dashboards fs.FS // *.json in Grafana's format; nil for none

	// Incidents returns what `tenhop watch` has posted; nil if it is not known where that is.
	Incidents Incidents

	// Token authorizes actions. If empty, actions are disabled.
	Token string
	// Storefront returns the storefront that faults and drills act on, or the reason why
	// there is none. It may be nil.
	Storefront func() (Storefront, error)
	// Drills stores the drills; nil keeps them in memory only.
	Drills *drill.History

	// Hosts lists the names, without ports, that are accepted in the Host header
	// beside localhost and IP addresses.
	Hosts []string

	// Client queries the sources that have none in Clients for the page; if nil, one
	// with a timeout of 15 s. Diagnoses and drills use http.DefaultClient instead.
	Client *http.Client
	Logger *slog.Logger // slog.Default if nil
}

// Storefront is a running system that faults can be injected into.
type Storefront struct {
	Faults drill.Faults
	Entry  drill.Entry // the entry whose latency a drill watches
	Up     time.Time   // when it started
}

// Console serves the page. Create it with New and end it with Close.
type Console struct {
	cfg    Config
	mux    *http.ServeMux
	prom   *upstream
	traces query.Tracer // nil without Jaeger and Tempo
	loki   *upstream
	live   *hub
	drills *drills
	hops   *servicemap.Reader
	guard  http.Handler

	diagnoses  singleflight.Group
	diagnosing chan struct{} // one element per running diagnosis

	closed    chan struct{}
	closeOnce sync.Once
}

const sourceTimeout = 15 * time.Second

// New returns a Console. It queries its sources only while a page is open. It fails if
// a URL or host name is malformed, the history of drills is damaged, or the page was
// not built.
func New(cfg Config) (*Console, error) {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: sourceTimeout}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	for _, h := range cfg.Hosts {
		if strings.ContainsAny(h, ":/ ") || h == "" {
			return nil, fmt.Errorf("host %q: must be a name without scheme and port, such as console.example", h)
		}
	}
	c := &Console{cfg: cfg, diagnosing: make(chan struct{}, maxDiagnoses), mux: http.NewServeMux(), closed: make(chan struct{})}
	if err := c.open(); err != nil {
		return nil, err
	}
	c.hops = servicemap.NewReader(c.prom.prometheus, cfg.Labels, describe)
	c.live = newHub(func(ctx context.Context) any {
		c.drills.follow()
		return filled(c.hops.Snapshot(ctx))
	}, c.closed)
	var err error
	if c.drills, err = newDrills(c); err != nil {
		return nil, err
	}
	if err := c.routes(); err != nil {
		return nil, err
	}
	c.guard = guard(cfg.Hosts, c.mux)
	return c, nil
}

// ServeHTTP serves the page and its API.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.guard.ServeHTTP(w, r) }

// Close ends the event streams. It also ends a running drill and removes its fault.
// Pass it to http.Server.RegisterOnShutdown, because open streams delay Shutdown.
func (c *Console) Close() {
	c.closeOnce.Do(func() { close(c.closed) })
	c.drills.close()
}

func (c *Console) routes() error {
	if err := c.page(); err != nil {
		return err
	}
	for _, e := range endpoints() {
		h := c.serve(e)
		if e.token {
			h = withToken(c.cfg.Token, h)
		}
		c.mux.HandleFunc(e.pattern, h)
	}
	c.mux.Handle("/mcp", c.assistants())
	c.mux.HandleFunc("GET /api/live", c.live.serve)
	c.mux.HandleFunc("GET /api/prometheus/{path...}", c.passPrometheus)
	c.mux.HandleFunc("GET /api/loki/query_range", c.passLoki)
	c.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &apiError{http.StatusNotFound, "there is no " + r.Method + " " + r.URL.Path})
	})
	return nil
}

// Connected describes the sources that the console is connected to.
type Connected struct {
	Prometheus    bool    `json:"prometheus"`
	Jaeger        bool    `json:"jaeger"`
	Tempo         bool    `json:"tempo"`
	Loki          bool    `json:"loki"`
	Actions       bool    `json:"actions"`        // faults and drills are available
	ScrapeSeconds float64 `json:"scrape_seconds"` // shortest scrape interval, 0 if unknown
	// Labels holds the names of labels in Prometheus that differ from the conventions.
	Labels map[string]signals.Names `json:"labels"`
}

func (c *Console) config(r *http.Request) (Connected, error) {
	return Connected{
		Prometheus: c.prom.configured(), Jaeger: c.cfg.Jaeger != "", Tempo: c.cfg.Tempo != "", Loki: c.loki.configured(),
		Actions:       c.cfg.Token != "" && c.cfg.Storefront != nil,
		ScrapeSeconds: c.hops.ScrapeInterval(r.Context()).Seconds(), Labels: c.cfg.Labels,
	}, nil
}

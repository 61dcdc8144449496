package console

import (
	"context"
	"encoding/json"
	"errors"
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
)

// Config says what the console shows. Sources without a URL are left out, and
// the page says so where it would show them.
type Config struct {
	Prometheus string // URL
	Jaeger     string // URL
	Loki       string // URL

	Dashboards fs.FS // *.json in Grafana's format; nil for none

	// Token is what actions need; without one there are no actions.
	Token string
	// Storefront returns what faults and drills act on, or why there is
	// nothing; nil for never.
	Storefront func() (Storefront, error)
	// Drills keeps the drills; nil for memory only.
	Drills *drill.History

	// Hosts are names, without ports, that the Host header may hold beside
	// localhost and IP addresses.
	Hosts []string

	// Client asks the sources what the page shows; one with a timeout of 15 s if
	// nil. Diagnoses and drills bring clients of their own, as on the command line.
	Client *http.Client
	Logger *slog.Logger // slog.Default if nil
}

// Storefront is what runs and may be made slower.
type Storefront struct {
	Faults drill.Faults
	Entry  drill.Entry // whose customers a drill watches
	Up     time.Time   // since when
}

// Console serves the page. Create it with New and end it with Close.
type Console struct {
	cfg    Config
	mux    *http.ServeMux
	prom   *upstream
	jaeger *upstream
	loki   *upstream
	live   *hub
	drills *drills
	hops   *servicemap.Reader
	guard  http.Handler

	diagnoses  singleflight.Group
	diagnosing chan struct{} // holds one for each diagnosis that runs

	closed    chan struct{}
	closeOnce sync.Once
}

const sourceTimeout = 15 * time.Second

// New makes a console. It starts nothing: sources are asked when a page asks.
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
	for _, s := range []struct {
		to        **upstream
		name, url string
	}{{&c.prom, "Prometheus", cfg.Prometheus}, {&c.jaeger, "Jaeger", cfg.Jaeger}, {&c.loki, "Loki", cfg.Loki}} {
		u, err := newUpstream(s.name, s.url, cfg.Client)
		if err != nil {
			return nil, err
		}
		*s.to = u
	}
	c.hops = servicemap.NewReader(c.prom.get)
	c.live = newHub(func(ctx context.Context) any {
		c.drills.follow()
		return c.hops.Snapshot(ctx)
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

// ServeHTTP answers the page and its API.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.guard.ServeHTTP(w, r) }

// Close ends the event streams and a drill that runs, whose fault it lifts.
// Give it to http.Server.RegisterOnShutdown: streams would hold Shutdown up.
func (c *Console) Close() {
	c.closeOnce.Do(func() { close(c.closed) })
	c.drills.close()
}

func (c *Console) routes() error {
	if err := c.page(); err != nil {
		return err
	}
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /api/config":                     c.config,
		"GET /api/services":                   c.services,
		"GET /api/services/{name}/operations": c.operations,
		"GET /api/traces":                     c.search,
		"GET /api/traces/{id}":                c.trace,
		"GET /api/traces/{id}/logs":           c.traceLogs,
		"GET /api/compare":                    c.compare,
		"GET /api/diagnose":                   c.diagnose,
		"GET /api/dashboards":                 c.dashboards,
		"GET /api/dashboards/{uid}":           c.dashboard,
		"GET /api/drill":                      c.drillState,
		"GET /api/drill/choices":              c.drillChoices,
	} {
		c.mux.HandleFunc(pattern, answer(h))
	}
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /api/faults":        c.listFaults,
		"POST /api/faults":       c.injectFault,
		"DELETE /api/faults":     c.clearFaults,
		"POST /api/drill":        c.startDrill,
		"POST /api/drill/answer": c.answerDrill,
		"DELETE /api/drill":      c.endDrill,
		"POST /api/token":        func(*http.Request) (any, error) { return struct{}{}, nil },
	} {
		c.mux.HandleFunc(pattern, withToken(c.cfg.Token, answer(h)))
	}
	c.mux.HandleFunc("GET /api/live", c.live.serve)
	c.mux.HandleFunc("GET /api/prometheus/{path...}", c.passPrometheus)
	c.mux.HandleFunc("GET /api/loki/query_range", c.passLoki)
	c.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &apiError{http.StatusNotFound, "there is no " + r.Method + " " + r.URL.Path})
	})
	return nil
}

func (c *Console) config(r *http.Request) (any, error) {
	return map[string]any{
		"scrape_seconds": c.hops.ScrapeInterval(r.Context()).Seconds(), // 0 if it is not known
		"prometheus":     c.prom.configured(), "jaeger": c.jaeger.configured(), "loki": c.loki.configured(),
		"actions": c.cfg.Token != "" && c.cfg.Storefront != nil,
	}, nil
}

// apiError is an answer that says what is wrong and what to do.
type apiError struct {
	status  int
	message string
}

// Error returns the message for the reader of the page.
func (e *apiError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// answer writes what h returns as JSON. Errors that are not an apiError come
// from a source: 502.
func answer(h func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := h(r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	var e *apiError
	if errors.As(err, &e) {
		status = e.status
	}
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

// readJSON reads a small body, which must be declared as JSON: that keeps
// forms of other pages out.
func readJSON(r *http.Request, v any) error {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return &apiError{http.StatusUnsupportedMediaType, "the body must be application/json"}
	}
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 64<<10))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return badRequest("read the body: %v", err)
	}
	return nil
}

package console

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/traces"
)

// upstream is a telemetry back end with an HTTP API.
type upstream struct {
	name    string
	url     string
	client  *http.Client
	backend *query.Backend // nil for a source that is not configured
}

// maxAnswer is the maximum size of a response in bytes.
const maxAnswer = 64 << 20

// open opens the sources.
func (c *Console) open() (err error) {
	own := c.forPage()
	if c.prom, err = newUpstream("Prometheus", c.cfg.Prometheus, own.Prometheus); err != nil {
		return err
	}
	if c.loki, err = newUpstream("Loki", c.cfg.Loki, own.Loki); err != nil {
		return err
	}
	c.traces, err = traces.Open(c.cfg.Jaeger, c.cfg.Tempo, own)
	if errors.Is(err, traces.ErrNone) {
		return nil
	}
	return err
}

// forPage returns the clients with a timeout.
func (c *Console) forPage() query.Clients {
	own := c.cfg.Clients
	for _, client := range []**http.Client{&own.Prometheus, &own.Jaeger, &own.Tempo, &own.Loki} {
		if *client == nil {
			*client = c.cfg.Client
			continue
		}
		limited := **client
		limited.Timeout = cmp.Or(limited.Timeout, sourceTimeout)
		*client = &limited
	}
	return own
}

func newUpstream(name, base string, client *http.Client) (*upstream, error) {
	u := &upstream{name: name, url: base, client: client}
	if base == "" {
		return u, nil
	}
	var err error
	u.backend, err = query.Product{Name: name, Example: "http://127.0.0.1:9090", MaxAnswer: maxAnswer}.At(base, client)
	return u, err
}

func (u *upstream) configured() bool { return u.backend != nil }

// missing returns the error of a source that is not configured.
func missing(name string) error {
	return &apiError{http.StatusServiceUnavailable, name + " is not configured; start the console with its URL"}
}

// prometheus returns a client of the source.
func (u *upstream) prometheus() (*prometheus.Client, error) {
	if u.backend == nil {
		return nil, missing(u.name)
	}
	return prometheus.New(u.url, u.client)
}

// tracer returns the source of traces.
func (c *Console) tracer() (query.Tracer, error) {
	if c.traces == nil {
		return nil, missing("Jaeger or Tempo")
	}
	return c.traces, nil
}

// pass copies a response to the browser. The content type is always JSON, so a browser
// never renders data of a source. The console's credentials are its own affair: a source
// that denies them becomes an error about the source, and no error repeats them.
func (u *upstream) pass(w http.ResponseWriter, r *http.Request, segments ...string) {
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		writeError(w, badRequest("a name must not be . or .."))
		return
	}
	if u.backend == nil {
		writeError(w, missing(u.name))
		return
	}
	resp, err := u.backend.Do(r.Context(), "", r.URL.Query(), segments...)
	if err != nil {
		writeError(w, err)
		return
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode >= http.StatusBadRequest {
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
		switch {
		case err != nil:
			writeError(w, fmt.Errorf("read the answer of %s: %w", u.backend, err))
			return
		case query.Denied(resp.StatusCode):
			writeError(w, u.backend.Status(query.Answer{Code: resp.StatusCode, Body: text}))
			return
		}
		body = strings.NewReader(u.backend.Scrub(string(text)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, body) // fails when the client is gone
}

// maxError is the maximum size of an error of a source in bytes.
const maxError = 1 << 20

// readable lists the endpoints of Prometheus's API that the console proxies.
var readable = []string{"query", "query_range", "query_exemplars", "labels", "series", "alerts", "rules"}

func (c *Console) passPrometheus(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(r.PathValue("path"), "/")
	values := len(path) == 3 && path[0] == "label" && path[2] == "values"
	if plain := len(path) == 1 && slices.Contains(readable, path[0]); !plain && !values {
		writeError(w, &apiError{http.StatusNotFound, "the console does not pass this request on to Prometheus"})
		return
	}
	c.prom.pass(w, r, append([]string{"api", "v1"}, path...)...)
}

func (c *Console) passLoki(w http.ResponseWriter, r *http.Request) {
	c.loki.pass(w, r, "loki", "api", "v1", "query_range")
}

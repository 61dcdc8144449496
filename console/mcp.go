package console

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/mcp"
)

// assistants serves the Model Context Protocol. A request without a token can only read;
// one with a wrong token is rejected.
func (c *Console) assistants() http.Handler {
	prom, _ := c.prom.prometheus() // nil without one; its tools say so
	asks := mcp.Config{Traces: c.traces, Prometheus: prom,
		Diagnose: func(ctx context.Context, entry string, since time.Duration) (result.Result, error) {
			if since > maxSince {
				return result.Result{}, badRequest("since: must be 24h at most")
			}
			return c.shared(ctx, question{entry: entry, since: since})
		}}
	if c.cfg.Incidents != nil {
		asks.Watched = c.watched
	}
	reads := mcp.Handler(func(*http.Request) mcp.Config { return asks })
	acts := mcp.Handler(func(*http.Request) mcp.Config {
		with := asks
		with.Actions = &mcp.Actions{Console: "http://localhost", Token: c.cfg.Token, Client: &http.Client{Transport: within{c}}}
		return with
	})
	authorized := withToken(c.cfg.Token, acts.ServeHTTP)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			reads.ServeHTTP(w, r)
			return
		}
		authorized(w, r)
	})
}

// maxWatched bounds the incidents that the tools list, the newest first.
const maxWatched = 1000

// watched returns what `tenhop watch` has told of since a time, newest first.
func (c *Console) watched(ctx context.Context, since time.Time) ([]mcp.Watched, error) {
	all, err := c.cfg.Incidents.Incidents(ctx)
	if err != nil {
		return nil, err
	}
	out := []mcp.Watched{}
	for _, i := range all[:min(len(all), maxWatched)] {
		raw, err := json.Marshal(i)
		if err != nil {
			return nil, err
		}
		if w, ok := mcp.DecodeWatched(bytes.NewReader(raw), since); ok {
			out = append(out, w)
		}
	}
	return out, nil
}

// within is a transport that passes requests to the console itself.
type within struct{ console *Console }

// RoundTrip implements http.RoundTripper.
func (t within) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := reply{header: http.Header{}, status: http.StatusOK}
	t.console.ServeHTTP(&w, r)
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// reply keeps a response in memory.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *reply) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *reply) WriteHeader(status int) { w.status = status }

// Write implements http.ResponseWriter.
func (w *reply) Write(b []byte) (int, error) { return w.body.Write(b) }

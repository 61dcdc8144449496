package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/prometheus"
)

// upstream is a telemetry back end with an HTTP API.
type upstream struct {
	name   string
	base   *url.URL // nil for a source that is not configured
	client *http.Client
}

// asked is the maximum number of concurrent requests to a source per page request.
const asked = 4

// maxAnswer is the maximum size of a response in bytes.
const maxAnswer = 64 << 20

func newUpstream(name, base string, client *http.Client) (*upstream, error) {
	u := &upstream{name: name, client: client}
	if base == "" {
		return u, nil
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return nil, fmt.Errorf("URL of %s %q: must look like http://127.0.0.1:9090", name, query.Redact(base))
	}
	u.base = parsed
	return u, nil
}

func (u *upstream) configured() bool { return u.base != nil }

// missing returns the error of a source that is not configured.
func (u *upstream) missing() error {
	return &apiError{http.StatusServiceUnavailable, u.name + " is not configured; start the console with its URL"}
}

// prometheus returns a client of the source.
func (u *upstream) prometheus() (*prometheus.Client, error) {
	if u.base == nil {
		return nil, u.missing()
	}
	return prometheus.New(u.base.String(), u.client)
}

// jaeger returns a client of the source.
func (u *upstream) jaeger() (*jaeger.Client, error) {
	if u.base == nil {
		return nil, u.missing()
	}
	return jaeger.New(u.base.String(), u.client)
}

// address returns the URL of a path with escaped segments.
func (u *upstream) address(query url.Values, segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	a := *u.base
	a = *a.JoinPath(escaped...)
	a.RawQuery = query.Encode()
	return a.String()
}

// ask sends a GET request. The caller closes the body.
func (u *upstream) ask(ctx context.Context, query url.Values, segments ...string) (*http.Response, error) {
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		return nil, badRequest("a name must not be . or ..")
	}
	if u.base == nil {
		return nil, u.missing()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.address(query, segments...), nil)
	if err != nil {
		return nil, err
	}
	resp, err := u.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, fmt.Errorf("%s at %s does not answer: %w; `tenhop status` shows what runs", u.name, u.base.Host, err)
	}
	return resp, nil
}

// pass copies a response to the browser. The content type is always JSON, so a browser
// never renders data of a source.
func (u *upstream) pass(w http.ResponseWriter, r *http.Request, segments ...string) {
	resp, err := u.ask(r.Context(), r.URL.Query(), segments...)
	if err != nil {
		writeError(w, err)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, io.LimitReader(resp.Body, maxAnswer)) // fails when the client is gone
}

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

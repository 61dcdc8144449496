// Package jaeger reads traces from Jaeger into the diagnosis's model.
package jaeger

import (
	"context"
	"net/http"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/internal/spans"
	"github.com/tenhop/tenhop/query/jaeger"
)

// Client asks one Jaeger.
type Client struct{ *jaeger.Client }

// New returns a client of the Jaeger at a URL such as http://127.0.0.1:16686.
func New(base string, client *http.Client) (Client, error) {
	c, err := jaeger.New(base, client)
	return Client{c}, err
}

// Traces returns the traces that a search selects.
func (c Client) Traces(ctx context.Context, s diagnose.Search) ([]diagnose.Trace, error) {
	found, err := c.Client.Traces(ctx, spans.Search(s))
	out := make([]diagnose.Trace, len(found))
	for i, t := range found {
		out[i] = spans.FromTrace(t)
	}
	return out, err
}

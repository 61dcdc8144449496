// Package prometheus reads a diagnosis's evidence from Prometheus.
package prometheus

import (
	"fmt"
	"net/http"
	"strconv"

	api "github.com/tenhop/tenhop/query/prometheus"
)

// Client reads evidence from one Prometheus server.
type Client struct{ api *api.Client }

// New returns a client of the server at a URL such as http://127.0.0.1:9090.
func New(base string, client *http.Client) (*Client, error) {
	c, err := api.New(base, client)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// Series and Sample are those of the client.
type (
	Series = api.Series
	Sample = api.Sample
)

func parseBound(le string) (float64, error) {
	v, err := strconv.ParseFloat(le, 64)
	if err != nil {
		return 0, fmt.Errorf("bucket bound le=%q is no number", le)
	}
	return v, nil
}

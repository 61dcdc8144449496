package runtime

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// SearchEngine is a search engine that speaks Elasticsearch's API.
type SearchEngine struct {
	*elastictransport.Client                          // measured, for requests of hops
	Unmeasured               *elastictransport.Client // for background jobs
}

// OpenSearchEngine returns clients of the search engine of the configuration, which has a
// logical name. They connect on first use and send a request once.
func (e *Env) OpenSearchEngine(name string) (*SearchEngine, error) {
	u, err := url.Parse(e.Search)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, errors.New("TENHOP_SEARCH: use a URL such as http://localhost:9200") // it may have a password
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DialContext = e.links.Dialer(name, base.DialContext)
	base.MaxIdleConnsPerHost = base.MaxIdleConns
	e.OnClose(func() error { base.CloseIdleConnections(); return nil })
	open := func(transport http.RoundTripper) (*elastictransport.Client, error) {
		// The callers have another way to an answer, and repeat nothing.
		c, err := elastictransport.NewClient(elastictransport.WithURLs(u), elastictransport.WithTransport(transport), elastictransport.WithDisableRetry())
		if err != nil {
			return nil, fmt.Errorf("client of %s: %w", name, err)
		}
		return c, nil
	}
	measured, err := open(e.searchTransport(base, name))
	if err != nil {
		return nil, err
	}
	unmeasured, err := open(base)
	if err != nil {
		return nil, err
	}
	return &SearchEngine{Client: measured, Unmeasured: unmeasured}, nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// gateway routes each item to the shop or to the stock service. All requests of an item
// go to one of them, so that its stock is written at one place at a time.
type gateway struct {
	shopURL, stockURL string
	client            *http.Client // for positions
	shop, stock       *httputil.ReverseProxy

	mu      sync.RWMutex // held for reading by requests
	percent int          // of the items whose stock is at the service
}

func newGateway(shopURL, stockURL string, shop, stock *http.Client) (*gateway, error) {
	g := &gateway{shopURL: shopURL, stockURL: stockURL, client: &http.Client{Timeout: 2 * time.Second}}
	for _, to := range []struct {
		proxy  **httputil.ReverseProxy
		url    string
		client *http.Client
	}{{&g.shop, shopURL, shop}, {&g.stock, stockURL, stock}} {
		u, err := url.Parse(to.url)
		if err != nil {
			return nil, err
		}
		*to.proxy = &httputil.ReverseProxy{Transport: to.client.Transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	}
	return g, nil
}

func (g *gateway) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /items/{item}", func(w http.ResponseWriter, r *http.Request) {
		g.mu.RLock()
		defer g.mu.RUnlock()
		if g.atService(r.PathValue("item")) {
			g.stock.ServeHTTP(w, r)
			return
		}
		g.shop.ServeHTTP(w, r)
	})
	mux.HandleFunc("PUT /items/{item}/orders/{order}", func(w http.ResponseWriter, r *http.Request) {
		g.mu.RLock()
		defer g.mu.RUnlock()
		r.Header.Del(stockHeader)
		if g.atService(r.PathValue("item")) {
			r.Header.Set(stockHeader, "service")
		}
		g.shop.ServeHTTP(w, r)
	})
}

// atService reports whether the flag puts an item's stock at the service.
func (g *gateway) atService(item string) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(item)) // never fails
	return int(h.Sum32()%100) < g.percent
}

// adminMux serves PUT /stock/{percent}, which moves the flag.
func (g *gateway) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /stock/{percent}", func(w http.ResponseWriter, r *http.Request) {
		percent, err := strconv.Atoi(r.PathValue("percent"))
		if err != nil || percent < 0 || percent > 100 {
			http.Error(w, "the percentage is from 0 to 100", http.StatusBadRequest)
			return
		}
		began := time.Now()
		if err := g.move(r.Context(), percent); err != nil {
			http.Error(w, "the flag stays where it is: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "stock of %d %% of the items is at the service; requests waited for %s\n", percent, time.Since(began).Round(time.Millisecond))
	})
	return mux
}

// move moves the flag. Requests wait until those before them have ended and each side has
// applied all that the other one wrote.
func (g *gateway) move(ctx context.Context, percent int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		shop, err := g.position(ctx, g.shopURL)
		if err != nil {
			return err
		}
		stock, err := g.position(ctx, g.stockURL)
		if err != nil {
			return err
		}
		if stock.Applied["shop"] >= shop.Written && shop.Applied["stock"] >= stock.Written {
			g.percent = percent
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stock has %d of %d changes, shop %d of %d: %w", stock.Applied["shop"], shop.Written, shop.Applied["stock"], stock.Written, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (g *gateway) position(ctx context.Context, at string) (p position, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/sync", nil)
	if err != nil {
		return p, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("%s: %s", at, resp.Status)
	}
	return p, json.NewDecoder(resp.Body).Decode(&p)
}

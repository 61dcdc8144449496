// Package proxy puts faults between a service and its callers, for services that cannot
// import the middleware. It forwards TCP connections through toxiproxy. Its fault endpoint
// is that of the middleware: faults are injected, limited in time, held, sealed, listed
// and lifted in the same way.
package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// Config configures a Proxy.
type Config struct {
	Listen   string // host:port that callers use
	Upstream string // host:port of the service
	Admin    string // host:port of the fault endpoint, on the loopback interface; a free port if empty
	Token    string // bearer token of the fault endpoint
}

// Proxy forwards connections. Create it with Start and end it with Close.
type Proxy struct {
	link   *toxiproxy.Proxy
	faults *chaos.Injector
	admin  net.Listener
	server *http.Server

	mu     sync.Mutex
	toxics int // number of the last one
}

// Start starts a proxy. It does not wait for the service.
func Start(c Config) (*Proxy, error) {
	if c.Token == "" {
		return nil, errors.New("the fault endpoint needs a token")
	}
	if _, _, err := net.SplitHostPort(c.Upstream); err != nil {
		return nil, fmt.Errorf("upstream %q: must be host:port", c.Upstream)
	}
	if c.Admin == "" {
		c.Admin = "127.0.0.1:0"
	}
	admin, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return nil, err
	}
	if tcp, ok := admin.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("the fault endpoint at %s can be reached from other machines: it must be on the loopback interface, such as 127.0.0.1:0", c.Admin), admin.Close())
	}
	p := &Proxy{admin: admin, link: toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "upstream", c.Listen, c.Upstream)}
	p.faults = chaos.New(chaos.WithToken(c.Token), chaos.WithOnlyKinds(p.kinds()...))
	if err := p.link.Start(); err != nil {
		return nil, errors.Join(err, admin.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/chaos", p.faults.AdminHandler())
	mux.Handle("/chaos/", p.faults.AdminHandler())
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { _ = p.server.Serve(connlimit.Listener(admin, connlimit.Default)) }() // Close ends it
	return p, nil
}

// Address returns the address that callers use.
func (p *Proxy) Address() string {
	p.link.Lock()
	defer p.link.Unlock()
	return p.link.Listen
}

// Admin returns the address of the fault endpoint.
func (p *Proxy) Admin() string { return p.admin.Addr().String() }

// Close ends the faults and all connections.
func (p *Proxy) Close() error {
	p.faults.Clear("")
	err := p.server.Close()
	p.link.Stop()
	return err
}

// Bounds of the fields of a fault.
const (
	minBytes   = 1000 // per second; toxiproxy counts in kilobytes
	maxLatency = 5 * time.Minute
)

// kinds returns the kinds of fault that the proxy offers. Those of some of the requests
// choose connections, because a proxy sees no requests.
func (p *Proxy) kinds() []chaos.Implementation {
	return []chaos.Implementation{{
		Kind: chaos.Kind{Name: "latency", Does: "What the service sends arrives latency later.", Symptom: "The calls of the service take longer, its own times do not change.",
			Cause: "link", Fields: []string{"latency", "jitter", "percent"}, Process: true, Example: chaos.Fault{Kind: "latency", Latency: chaos.Duration(200 * time.Millisecond)}},
		Check: func(f chaos.Fault) error {
			if f.Latency <= 0 || time.Duration(f.Latency) > maxLatency || f.Jitter < 0 || f.Jitter > f.Latency {
				return fmt.Errorf("latency must be above 0 and at most %s, jitter at most latency", maxLatency)
			}
			return percent(f)
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return p.add(ctx, "latency", f, map[string]int64{"latency": milliseconds(f.Latency), "jitter": milliseconds(f.Jitter)})
		},
	}, {
		Kind: chaos.Kind{Name: "bandwidth", Does: "What the service sends arrives at bytes per second.", Symptom: "Calls with long answers take longer.",
			Cause: "link", Fields: []string{"bytes", "percent"}, Process: true, Example: chaos.Fault{Kind: "bandwidth", Bytes: 50_000}},
		Check: func(f chaos.Fault) error {
			if f.Bytes < minBytes {
				return fmt.Errorf("bytes must be at least %d per second", minBytes)
			}
			return percent(f)
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return p.add(ctx, "bandwidth", f, map[string]int64{"rate": f.Bytes / 1000})
		},
	}, {
		Kind: chaos.Kind{Name: "reset", Does: "Connections are reset after latency.", Symptom: "The calls of the service fail.",
			Cause: "link", Fields: []string{"latency", "percent"}, Process: true, Example: chaos.Fault{Kind: "reset"}},
		Check: func(f chaos.Fault) error {
			if f.Latency < 0 || time.Duration(f.Latency) > maxLatency {
				return fmt.Errorf("latency must be at most %s", maxLatency)
			}
			return percent(f)
		},
		Begin: func(ctx context.Context, f chaos.Fault) error {
			return p.add(ctx, "reset_peer", f, map[string]int64{"timeout": milliseconds(f.Latency)})
		},
	}}
}

func percent(f chaos.Fault) error {
	if f.Percent < 0 || f.Percent > 100 {
		return errors.New("percent must be between 0 and 100")
	}
	return nil
}

func milliseconds(d chaos.Duration) int64 { return time.Duration(d).Milliseconds() }

// add applies a toxic until ctx is done. Connections take it up by themselves, which may
// last until their next data.
func (p *Proxy) add(ctx context.Context, kind string, f chaos.Fault, attributes map[string]int64) error {
	p.mu.Lock()
	p.toxics++
	name := fmt.Sprintf("%s-%d", kind, p.toxics)
	p.mu.Unlock()
	toxicity := 1.
	if f.Percent > 0 {
		toxicity = f.Percent / 100
	}
	body, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": "downstream", "toxicity": toxicity, "attributes": attributes})
	if err != nil {
		return err
	}
	go func() {
		if _, err := p.link.Toxics.AddToxicJson(strings.NewReader(string(body))); err != nil {
			return
		}
		<-ctx.Done()
		_ = p.link.Toxics.RemoveToxic(context.Background(), name) // it is there
	}()
	return nil
}

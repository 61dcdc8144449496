//go:build linux

package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
	"github.com/tenhop/tenhop/internal/uptest"
)

// calls lists what each service calls. A fault of another link would disturb nobody.
var calls = map[string][]string{
	"gateway":      {"identity", "catalog", "cart", "checkout", "order"},
	"cart":         {"redis", "catalog"},
	"checkout":     {"identity", "cart", "pricing", "inventory", "order"},
	"pricing":      {"catalog", "loyalty"},
	"order":        {"payment"},
	"payment":      {"fraud"},
	"notification": {"identity"},
}

// links holds a proxy for each pair of a service and a process that it calls.
type links struct {
	server  *toxiproxy.ApiServer
	proxies []*toxiproxy.Proxy
}

func newLinks() *links {
	return &links{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// link starts the proxy of a link. It is a supervisor.Config.Link.
func (l *links) link(caller, callee, address string) (string, error) {
	if !slices.Contains(calls[caller], callee) {
		return address, nil
	}
	p := toxiproxy.NewProxy(l.server, caller+">"+callee, "127.0.0.1:0", address)
	if err := p.Start(); err != nil {
		return "", err
	}
	l.proxies = append(l.proxies, p)
	return p.Listen, nil
}

func (l *links) stop() {
	for _, p := range l.proxies {
		p.Stop()
	}
}

// toxics are the ways in which a link fails. The attributes are toxiproxy's.
var toxics = []string{
	`{"type":"latency","attributes":{"latency":300,"jitter":200}}`,    // slow
	`{"type":"latency","attributes":{"latency":3000}}`,                // slower than some callers wait
	`{"type":"timeout","attributes":{"timeout":0}}`,                   // everything is dropped
	`{"type":"reset_peer","attributes":{"timeout":0}}`,                // connections are reset
	`{"type":"limit_data","attributes":{"bytes":2000}}`,               // connections end within a message
	`{"type":"slicer","attributes":{"average_size":20,"delay":2000}}`, // messages arrive in pieces
}

// disturb breaks one of a process's links in one direction until ctx ends or lasting is
// over.
func (l *links) disturb(ctx context.Context, rng *rand.Rand, end string, lasting time.Duration) (string, error) {
	var those []*toxiproxy.Proxy
	for _, p := range l.proxies {
		if strings.HasPrefix(p.Name, end+">") || strings.HasSuffix(p.Name, ">"+end) {
			those = append(those, p)
		}
	}
	if len(those) == 0 {
		return "", fmt.Errorf("%s calls nobody and nobody calls it", end)
	}
	p := those[rng.IntN(len(those))]
	stream := []string{"upstream", "downstream"}[rng.IntN(2)]
	toxic := toxics[rng.IntN(len(toxics))]
	name := fmt.Sprintf("t%d", rng.Uint64())
	said := fmt.Sprintf("%s %s %s for %s", p.Name, stream, toxic, lasting)
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(`{"name":%q,"stream":%q,%s`, name, stream, toxic[1:]))); err != nil {
		return said, err
	}
	uptest.Sleep(ctx, lasting)
	remove, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return said, p.Toxics.RemoveToxic(remove, name)
}

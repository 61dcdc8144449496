package grpcmw

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// maxNames is the maximum number of dependencies that targets name. Further ones share the
// name _OTHER.
const maxNames = 256

// byTarget measures the calls of each connection under the name that its target gives.
type byTarget struct {
	named func(dependency string) *client

	first   atomic.Pointer[targetClient] // there is usually no other
	mu      sync.Mutex
	clients map[string]*client // by name
}

type targetClient struct {
	target string
	client *client
}

// of returns the client of a connection.
func (b *byTarget) of(cc *grpc.ClientConn) *client {
	var target string
	if cc != nil { // a test calls the interceptor
		target = cc.Target()
	}
	if f := b.first.Load(); f != nil && f.target == target {
		return f.client
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := adapter.ServiceOfHost(hostOf(target))
	if name == "" {
		name = "unknown"
	}
	if b.clients[name] == nil && len(b.clients) >= maxNames {
		name = adapter.Overflow
	}
	c := b.clients[name]
	if c == nil {
		c = b.named(name)
		b.clients[name] = c
	}
	b.first.CompareAndSwap(nil, &targetClient{target, c})
	return c
}

func (b *byTarget) unary(ctx context.Context, full string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return b.of(cc).unary(ctx, full, req, reply, cc, invoke, opts...)
}

func (b *byTarget) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, full string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return b.of(cc).stream(ctx, desc, cc, full, open, opts...)
}

// hostOf returns the dialled name without resolver scheme and port.
func hostOf(target string) string {
	host := target[strings.LastIndexByte(target, '/')+1:]
	if _, rest, ok := strings.Cut(host, ":"); ok && !isPort(rest) && !strings.HasPrefix(host, "[") && strings.Count(host, ":") < 3 {
		host = rest // passthrough:host or dns:host:port
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host
}

package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/services/faults"
	"github.com/tenhop/tenhop/services/runtime/discovery"
	"github.com/tenhop/tenhop/services/runtime/resilience"
)

// Resolver resolves service names: from a static list, else from the environment
// (TENHOP_ADDR_<NAME>), else from the registry that it follows, else with DNS
// (<name><suffix>:8080), as in Kubernetes.
type Resolver struct {
	static map[string][]string
	suffix string
	watch  discovery.Watch
}

// Following returns a resolver that follows a registry, for services that neither the list
// nor the environment has.
func (r Resolver) Following(watch discovery.Watch) Resolver {
	r.watch = watch
	return r
}

// ParseResolver parses a list such as
// "payment=host:port,host:port;fraud=host:port".
func ParseResolver(list, dnsSuffix string) (Resolver, error) {
	r := Resolver{static: map[string][]string{}, suffix: dnsSuffix}
	for _, entry := range strings.Split(list, ";") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		name, addrs, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return Resolver{}, fmt.Errorf("TENHOP_RESOLVE: %q is not name=host:port[,host:port]", entry)
		}
		for _, a := range strings.Split(addrs, ",") {
			if _, _, err := net.SplitHostPort(a); err != nil {
				return Resolver{}, fmt.Errorf("TENHOP_RESOLVE: %s: %w", name, err)
			}
			r.static[name] = append(r.static[name], a)
		}
	}
	return r, nil
}

// Addresses returns the addresses of a service that does not follow a registry. If static is
// false, the only one has a DNS name.
func (r Resolver) Addresses(name string) (addrs []string, static bool) {
	if a := r.static[name]; len(a) > 0 {
		return a, true
	}
	if a := os.Getenv("TENHOP_ADDR_" + strings.ToUpper(name)); a != "" {
		return strings.Split(a, ","), true
	}
	return []string{name + r.suffix + ":8080"}, false
}

// serviceConfig balances calls over the instances of a service. Package resilience has their
// timeouts and retries.
const serviceConfig = `{"loadBalancingConfig":[{"round_robin":{}}]}`

// reconnect bounds the backoff of connections. gRPC's default of up to two minutes
// would delay calls to a peer that is available again.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
	MinConnectTimeout: 5 * time.Second,
}

// Dial returns an instrumented connection to a service. It connects on first use
// and reconnects when the connection is lost.
func (e *Env) Dial(name string) (*grpc.ClientConn, error) {
	calls := e.calls().Of(name)
	opts := append([]grpc.DialOption{grpc.WithChainUnaryInterceptor(e.repeated(name), calls.Around())}, e.dialOptions(name)...)
	opts = append(opts,
		grpc.WithChainUnaryInterceptor(calls.Within(), e.slowed(name)), // within the measured call
		grpc.WithDisableRetry(), // resilience has a budget
		grpc.WithContextDialer(e.tcp(name)),
		grpc.WithTransportCredentials(e.credentials(name)),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithConnectParams(reconnect),
		grpc.WithDisableServiceConfig())
	addrs, static := e.Resolver.Addresses(name)
	target := "dns:///" + addrs[0]
	if of := e.instancesOf(name); of != nil {
		opts = append(opts, grpc.WithResolvers(of.Builder()))
		target = discovery.Scheme + ":///" + name
	} else if static {
		m := manual.NewBuilderWithScheme(discovery.Scheme)
		var state resolver.State
		for _, a := range addrs {
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
		}
		m.InitialState(state)
		opts = append(opts, grpc.WithResolvers(m))
		target = discovery.Scheme + ":///" + name
	}
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		return nil, fmt.Errorf("connection to %s: %w", name, err)
	}
	e.OnClose(conn.Close)
	return conn, nil
}

// credentials returns the transport security of calls to a gRPC service.
func (e *Env) credentials(name string) credentials.TransportCredentials {
	if e.TLS == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(e.TLS.client(name))
}

// tcp returns a dialer of connections to a service.
func (e *Env) tcp(name string) func(ctx context.Context, address string) (net.Conn, error) {
	dial := e.links.Dialer(name, new(net.Dialer).DialContext)
	return func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, "tcp", address) }
}

// RedisDialer returns a dialer of connections to a Redis that has a logical name.
func (e *Env) RedisDialer(name string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return e.links.Dialer(name, (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 5 * time.Minute}).DialContext)
}

// calls returns the clients of what the service calls.
func (e *Env) calls() *resilience.Clients {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.clients == nil {
		e.clients = resilience.New(resilience.Default(), e.Telemetry.Registerer(), e.Telemetry.Zerolog())
	}
	return e.clients
}

// slowed returns an interceptor that applies the faults of calls to a service.
func (e *Env) slowed(name string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := e.Chaos.ApplyCall(ctx, name)
		var fault *chaos.Error
		switch {
		case errors.As(err, &fault):
			return status.Error(codes.Code(fault.GRPC), fault.Error())
		case err != nil:
			return status.FromContextError(err).Err()
		}
		err = invoke(ctx, method, req, reply, cc, opts...)
		if lost, _ := ctx.Value(lostShare{}).(float64); err == nil && rand.Float64() < lost {
			return status.Error(codes.Unavailable, "error reading from server: EOF")
		}
		return err
	}
}

// lostShare is the key of the share of responses that are lost.
type lostShare struct{}

// repeated returns an interceptor that repeats calls to a service, around the measured
// call, while the fault faults.RetryStorm is in force. The service then has no budget,
// breaker or bulkhead.
func (e *Env) repeated(name string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		f, on := e.Chaos.OnCall(ctx, faults.RetryStorm.Name, name)
		if !on {
			return invoke(ctx, method, req, reply, cc, opts...)
		}
		ctx = context.WithValue(resilience.Without(ctx), lostShare{}, 1-1/f.Factor)
		for {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if status.Code(err) != codes.Unavailable || ctx.Err() != nil {
				return err
			}
			if _, on := e.Chaos.OnCall(ctx, faults.RetryStorm.Name, name); !on {
				return err
			}
		}
	}
}

// BaseURL returns a function that returns the base URLs of an HTTP service's
// instances in turn.
func (e *Env) BaseURL(name string) func() string {
	scheme := "http://"
	if e.TLS != nil {
		scheme = "https://"
	}
	if of := e.instancesOf(name); of != nil {
		return func() string { return scheme + cmp.Or(of.Next(), name) } // the client of an unknown service says why
	}
	addrs, _ := e.Resolver.Addresses(name)
	var next atomic.Uint64
	return func() string { return scheme + addrs[int(next.Add(1)-1)%len(addrs)] }
}

// HTTPClient returns an instrumented client for an HTTP service.
func (e *Env) HTTPClient(name string, opts ...httpmw.Option) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.DialContext = e.links.Dialer(name, base.DialContext)
	if e.TLS != nil {
		base.TLSClientConfig = e.TLS.client(name)
	}
	base.MaxIdleConnsPerHost = base.MaxIdleConns // the default of 2 reconnects under load
	calls := e.calls().Of(name)
	var wire http.RoundTripper = base
	if of := e.instancesOf(name); of != nil {
		wire = of.Transport(base)
	}
	measured := e.transport(calls.TransportWithin(e.Chaos.Transport(wire, name)), name, opts)
	return &http.Client{Timeout: resilience.Default().Timeout, Transport: calls.Transport(measured)}
}

package discovery

import (
	"errors"
	"net"
	"net/http"

	"google.golang.org/grpc/resolver"
)

// Scheme is the scheme of gRPC targets that the builder of Instances resolves.
const Scheme = "tenhop"

// Builder returns a builder of resolvers for grpc.WithResolvers. Connections to instances
// that have left end when their calls have ended.
func (i *Instances) Builder() resolver.Builder { return builder{i} }

type builder struct{ of *Instances }

// Scheme implements resolver.Builder.
func (builder) Scheme() string { return Scheme }

// Build implements resolver.Builder.
func (b builder) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	r := &grpcResolver{closed: make(chan struct{}), ended: make(chan struct{})}
	go r.follow(b.of, cc)
	return r, nil
}

type grpcResolver struct{ closed, ended chan struct{} }

func (r *grpcResolver) follow(of *Instances, cc resolver.ClientConn) {
	defer close(r.ended)
	for {
		addresses, changed, err := of.Addresses()
		if len(addresses) > 0 {
			var s resolver.State
			for _, a := range addresses {
				s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
			}
			_ = cc.UpdateState(s) // the balancer asks again, and is told of the next change
		} else if of.failed() { // before the first report calls wait
			cc.ReportError(err)
		}
		select {
		case <-changed:
		case <-r.closed:
			return
		}
	}
}

// failed reports whether the registry failed last.
func (i *Instances) failed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err != nil
}

// ResolveNow implements resolver.Resolver. The watch needs no prompting.
func (r *grpcResolver) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (r *grpcResolver) Close() {
	close(r.closed)
	<-r.ended
}

// Transport returns a transport whose requests name an instance, as Next returns it, or the
// service itself. A request goes to another instance if the connection to its own cannot
// be opened, since nothing of it was sent.
func (i *Instances) Transport(next http.RoundTripper) http.RoundTripper { return transport{i, next} }

type transport struct {
	of   *Instances
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == t.of.service {
		address := t.of.Next()
		if address == "" {
			_, _, err := t.of.Addresses()
			if r.Body != nil {
				r.Body.Close()
			}
			return nil, err
		}
		r = to(r, address)
	}
	for {
		resp, err := t.next.RoundTrip(r)
		if err == nil || !notConnected(err) || r.Context().Err() != nil || !t.of.avoid(r.URL.Host) {
			return resp, err
		}
		again := to(r, t.of.Next())
		if r.Body != nil && r.Body != http.NoBody {
			if r.GetBody == nil {
				return resp, err
			}
			body, berr := r.GetBody()
			if berr != nil {
				return resp, errors.Join(err, berr)
			}
			again.Body = body
		}
		r = again
	}
}

// to returns a shallow copy of a request for another address.
func to(r *http.Request, address string) *http.Request {
	out, url := *r, *r.URL
	url.Host = address
	out.URL = &url
	if out.Host == r.URL.Host {
		out.Host = address
	}
	return &out
}

// notConnected reports whether a request failed before there was a connection.
func notConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// CloseIdleConnections closes those of next.
func (t transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

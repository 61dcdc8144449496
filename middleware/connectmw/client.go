package connectmw

import (
	"context"
	"net"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// ClientInterceptor returns an interceptor that measures the calls of clients. dependency
// is the logical name of the called service, such as "payment". Make it the last
// interceptor, after those that retry. The client's http.Client needs no
// httpmw.Transport, which would measure each call a second time. ClientInterceptor panics
// for an empty name, a nil option or a registry that refuses its metrics.
//
// A unary call is a wait from start to end. A stream is a wait only while it blocks in a
// send or a receive. The span of a stream ends with the stream. It ends at the latest with
// the stream's context or with the hop that opened it.
func ClientInterceptor(dependency string, opts ...Option) connect.Interceptor {
	if dependency == "" {
		panic("connectmw: ClientInterceptor: the dependency needs a name, such as \"payment\"")
	}
	c := configure(opts)
	d, err := c.core.RequestHistogram("rpc_client_call_duration_seconds", "Duration of RPCs, seen by the client.",
		"rpc_system_name", "rpc_method", "dependency", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("connectmw: " + err.Error())
	}
	// The kind of the dependency is grpc in every protocol: it says that the wait is an RPC.
	i := &client{config: c, dependency: adapter.Dependency{Name: dependency, Kind: adapter.KindGRPC}}
	i.procedures.series = func(p *procedure, status, errorType string) *adapter.Series {
		return d.With(p.system, p.name, dependency, status, errorType)
	}
	i.procedures.attrs = func(p *procedure) *adapter.FixedAttributes {
		return adapter.Fix(adapter.AttrRPCSystem.String(p.system), adapter.AttrRPCMethod.String(p.name), adapter.AttrPeerService.String(dependency))
	}
	return i
}

var (
	_ connect.Interceptor         = (*client)(nil)
	_ connect.StreamingClientConn = (*clientConn)(nil)
)

type client struct {
	config
	dependency adapter.Dependency
	procedures procedures
}

// clientCall is one call.
type clientCall struct {
	procedure *procedure
	skip      adapter.Signals
	call      adapter.ClientCall
}

// addressOf returns server.address of a client's URL.
func addressOf(peer connect.Peer) attribute.KeyValue {
	if host, _, err := net.SplitHostPort(peer.Addr); err == nil {
		return adapter.AttrServerAddress.String(host)
	}
	return adapter.AttrServerAddress.String(peer.Addr)
}

func (c *clientCall) end(err error) {
	s := statusOf(c.procedure.system, err)
	attrs := adapter.BorrowAttributes()
	defer attrs.Return()
	out := adapter.Outcome{Attrs: attrs[:0], ErrorType: s.errorType, Failed: s.errorType != ""}
	if s.name != "" {
		out.Attrs = append(out.Attrs, adapter.AttrRPCStatus.String(s.name))
	}
	start, sc := c.call.Start(), c.call.Span().SpanContext()
	d := c.call.End(out)
	if c.skip&adapter.Metrics == 0 {
		c.procedure.seriesOf(s.name, s.errorType).Observe(d, start.Add(d), sc)
	}
}

// WrapUnary measures unary calls of clients.
func (i *client) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		spec := req.Spec()
		skip := i.exclude(spec.Procedure)
		if !spec.IsClient || skip == adapter.AllSignals {
			return next(ctx, req)
		}
		call, header := &clientCall{procedure: i.procedures.of(spec.Procedure, systemOf(req.Peer().Protocol)), skip: skip}, req.Header()
		before := make(http.Header, len(header))
		for k, v := range header {
			before[k] = v
		}
		address := [1]attribute.KeyValue{addressOf(req.Peer())}
		ctx, call.call = i.core.BeginCall(ctx, adapter.Outgoing{
			Dependency: i.dependency, SpanName: call.procedure.name, SpanKind: trace.SpanKindClient,
			Fixed: call.procedure.attrs, Attributes: address[:],
		})
		call.call.InjectHeader(ctx, header)
		returned := false
		defer func() {
			if !returned {
				call.end(connect.NewError(connect.CodeUnknown, nil))
			}
		}()
		resp, err := next(ctx, req)
		returned = true
		if connect.IsNotModifiedError(err) {
			call.end(nil)
		} else {
			call.end(err)
		}
		restore(header, before) // the caller may send the request again
		return resp, err
	}
}

// restore removes from a header what was not in it before.
func restore(header, before http.Header) {
	clear(header)
	for k, v := range before {
		header[k] = v
	}
}

// WrapStreamingHandler returns next.
func (i *client) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// WrapStreamingClient measures streams.
func (i *client) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		skip := i.exclude(spec.Procedure)
		if skip == adapter.AllSignals {
			return next(ctx, spec)
		}
		s := &clientConn{hop: adapter.FromContext(ctx), dependency: i.dependency}
		s.call.skip = skip
		ctx, s.call.call = i.core.BeginCall(ctx, adapter.Outgoing{
			Dependency: i.dependency, SpanName: strings.TrimPrefix(spec.Procedure, "/"), SpanKind: trace.SpanKindClient, NoWait: true,
		})
		s.ctx = ctx
		s.StreamingClientConn = next(ctx, spec)
		// Only the stream knows its protocol.
		peer := s.Peer()
		s.call.procedure = i.procedures.of(spec.Procedure, systemOf(peer.Protocol))
		s.call.call.Span().SetAttributes(adapter.AttrRPCSystem.String(s.call.procedure.system),
			adapter.AttrRPCMethod.String(s.call.procedure.name), adapter.AttrPeerService.String(i.dependency.Name), addressOf(peer))
		s.hop.Adopt(&s.pending, s.abandoned)
		if ctx.Done() != nil {
			s.stop = context.AfterFunc(ctx, s.cancelled)
		}
		s.armed.Store(true)
		return s
	}
}

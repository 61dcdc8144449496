package connectmw

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/httpmw"
)

const headerCorrelation = "X-Correlation-Id"

// HandlerInterceptor returns an interceptor that measures the calls of handlers. Make it
// the first interceptor. It panics for a nil option or a registry that refuses its
// metrics. A panic of a handler is reported in all signals and continues.
//
// Behind an httpmw.Handler with the same telemetry, a call is one hop: that of the request.
func HandlerInterceptor(opts ...Option) connect.Interceptor {
	c := configure(opts)
	d, err := c.core.RequestHistogram("rpc_server_call_duration_seconds", "Duration of RPCs, seen by the server.",
		"rpc_system_name", "rpc_method", "rpc_response_status_code", "error_type")
	if err != nil {
		panic("connectmw: " + err.Error())
	}
	active, err := c.core.RegisterGauge("rpc_server_active_requests", "RPCs in flight at the server.", "rpc_system_name")
	if err != nil {
		panic("connectmw: " + err.Error())
	}
	h := &handler{config: c, active: active}
	h.procedures.series = func(p *procedure, status, errorType string) *adapter.Series {
		return d.With(p.system, p.name, status, errorType)
	}
	h.procedures.attrs = func(p *procedure) *adapter.FixedAttributes {
		return adapter.Fix(adapter.AttrRPCSystem.String(p.system), adapter.AttrRPCMethod.String(p.name))
	}
	return h
}

var (
	_ connect.Interceptor          = (*handler)(nil)
	_ connect.StreamingHandlerConn = (*handlerConn)(nil)
)

type handler struct {
	config
	procedures procedures
	active     *prometheus.GaugeVec
}

// serverCall is one call. It is not pooled, since a goroutine that outlives the call may
// still hold its context.
type serverCall struct {
	handler   *handler
	procedure *procedure
	skip      adapter.Signals
	own       adapter.Hop  // the call's hop, unless within is set
	within    bool         // the call is part of the hop of its request
	rpc       httpmw.RPC   // then
	hop       *adapter.Hop // either
}

func (h *handler) begin(ctx context.Context, spec connect.Spec, peer connect.Peer, header http.Header, skip adapter.Signals) (context.Context, *serverCall) {
	system := systemOf(peer.Protocol)
	c := &serverCall{handler: h, procedure: h.procedures.of(spec.Procedure, system), skip: skip}
	if c.rpc, c.within = httpmw.BeginRPC(ctx, h.core, header, c.procedure.name); c.within {
		c.hop = c.rpc.Hop()
	} else {
		ctx = h.core.BeginInto(ctx, &c.own, &adapter.Incoming{
			Protocol: system, Operation: c.procedure.name, SpanKind: trace.SpanKindServer, Skip: skip,
			Header: header, RemoteAddr: peer.Addr, Public: h.public, Fixed: c.procedure.attrs,
		})
		c.hop = &c.own
	}
	if skip&adapter.Metrics == 0 {
		h.active.WithLabelValues(system).Inc()
	}
	return ctx, c
}

// end reports a call that returned.
func (c *serverCall) end(err error) {
	s := statusOf(c.procedure.system, err)
	c.report(s, s.outcome(err))
}

// endPanic reports a call whose handler panicked. net/http aborts its response, which has no
// code.
func (c *serverCall) endPanic(recovered any) {
	out := adapter.Outcome{Level: slog.LevelError, Message: "request", ErrorType: adapter.ErrorPanic, Failed: true}
	if err, ok := recovered.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		out = adapter.Outcome{Message: "request", ErrorType: "aborted"}
	} else {
		out.Err = adapter.PanicError(recovered)
	}
	c.report(status{errorType: out.ErrorType}, out)
}

func (c *serverCall) report(s status, out adapter.Outcome) {
	if c.skip&adapter.Metrics == 0 {
		c.handler.active.WithLabelValues(c.procedure.system).Dec()
		out.Series = c.procedure.seriesOf(s.name, s.errorType)
	}
	attrs := adapter.BorrowAttributes()
	defer attrs.Return()
	out.Attrs = attrs[:0]
	if s.name != "" {
		out.Attrs = append(out.Attrs, adapter.AttrRPCStatus.String(s.name))
	}
	if !c.within {
		c.own.End(out)
		return
	}
	if out.Series != nil {
		now := c.handler.core.Now()
		out.Series.Observe(now.Sub(c.hop.Start()), now, c.hop.Span().SpanContext())
	}
	c.rpc.End(out, append(out.Attrs, adapter.AttrRPCSystem.String(c.procedure.system), adapter.AttrRPCMethod.String(c.procedure.name))...)
}

// WrapUnary measures unary calls of handlers.
func (h *handler) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (resp connect.AnyResponse, err error) {
		spec := req.Spec()
		skip := h.exclude(spec.Procedure)
		if spec.IsClient || skip == adapter.AllSignals {
			return next(ctx, req)
		}
		ctx, c := h.begin(ctx, spec, req.Peer(), req.Header(), skip)
		info, echo := connect.CallInfoForHandlerContext(ctx)
		if echo = echo && !c.within; echo {
			info.ResponseHeader().Set(headerCorrelation, c.hop.CorrelationID())
		}
		returned := false
		defer func() {
			if !returned {
				p := recover() // nil for runtime.Goexit, which continues on its own
				c.endPanic(p)
				if p != nil {
					panic(p)
				}
				return
			}
			if echo && err == nil && len(resp.Header()[headerCorrelation]) > 0 {
				info.ResponseHeader().Del(headerCorrelation) // the handler's own counts
			}
			if connect.IsNotModifiedError(err) && req.HTTPMethod() == http.MethodGet {
				c.end(nil) // status 304
				return
			}
			c.end(err)
		}()
		resp, err = next(ctx, req)
		returned = true
		return resp, err
	}
}

// WrapStreamingHandler measures streams. Time blocked in Send or Receive is a wait for the
// caller.
func (h *handler) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		spec := conn.Spec()
		skip := h.exclude(spec.Procedure)
		if skip == adapter.AllSignals {
			return next(ctx, conn)
		}
		ctx, c := h.begin(ctx, spec, conn.Peer(), conn.RequestHeader(), skip)
		if !c.within { // the request's hop counts reads and writes itself
			conn.ResponseHeader().Set(headerCorrelation, c.hop.CorrelationID())
			conn = &handlerConn{StreamingHandlerConn: conn, hop: c.hop}
		}
		returned := false
		var err error
		defer func() {
			if returned {
				c.end(err)
				return
			}
			p := recover()
			c.endPanic(p)
			if p != nil {
				panic(p)
			}
		}()
		err = next(ctx, conn)
		returned = true
		return err
	}
}

// WrapStreamingClient returns next.
func (h *handler) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

var caller = adapter.Dependency{Name: "caller", Kind: adapter.KindCaller}

// handlerConn is a stream whose sends and receives are waits for the caller.
type handlerConn struct {
	connect.StreamingHandlerConn
	hop *adapter.Hop
}

func (c *handlerConn) Send(m any) error {
	w := c.hop.StartCall(caller)
	defer w.End()
	return c.StreamingHandlerConn.Send(m)
}

func (c *handlerConn) Receive(m any) error {
	w := c.hop.StartCall(caller)
	defer w.End()
	return c.StreamingHandlerConn.Receive(m)
}

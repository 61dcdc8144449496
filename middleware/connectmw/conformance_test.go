package connectmw_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"go.opentelemetry.io/otel/trace"

	"github.com/tenhop/tenhop/middleware/connectmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestConformance(t *testing.T) {
	for protocol, p := range protocols {
		t.Run(protocol, func(t *testing.T) {
			t.Run("unary", func(t *testing.T) { mwtest.TestServer(t, server(unaryProcedure, p.option)) })
			t.Run("stream", func(t *testing.T) { mwtest.TestServer(t, server(duplexProcedure, p.option)) })
			mwtest.TestClient(t, mwtest.Client{
				Kind: trace.SpanKindClient, Family: "rpc_client_call_duration_seconds", Headers: true,
				Dependency: hop.Dependency{Name: "payment", Kind: hop.KindGRPC},
				Call: func(t *testing.T, ctx context.Context, c mwtest.Outbound) {
					client, url := serve(t, cart{unary: func(_ context.Context, r *connect.Request[empty]) (*connect.Response[empty], error) {
						return connect.NewResponse(&empty{}), c.Remote(firstValues(r.Header()))
					}}.mux())
					rpc := connect.NewClient[empty, empty](client, url+unaryProcedure, p.option,
						connect.WithInterceptors(connectmw.ClientInterceptor("payment", connectmw.WithTelemetry(c.Telemetry))))
					_, _ = rpc.CallUnary(ctx, connect.NewRequest(&empty{}))
				},
			})
		})
	}
}

func firstValues(h http.Header) map[string]string {
	m := map[string]string{}
	for k, v := range h {
		m[strings.ToLower(k)] = v[0]
	}
	return m
}

func server(procedure string, protocol connect.ClientOption) mwtest.Server {
	return mwtest.Server{
		Operation: operationOf(procedure), Kind: trace.SpanKindServer, Family: "rpc_server_call_duration_seconds", Skips: true, Public: true, Printable: true,
		Deliver: func(t *testing.T, d mwtest.Delivery) map[string]string {
			opts := []connectmw.Option{connectmw.WithTelemetry(d.Telemetry), connectmw.WithExcludeSignals(func(string) hop.Signals { return d.Skip })}
			if d.Public {
				opts = append(opts, connectmw.WithPublicEdge())
			}
			fails := func(ctx context.Context) error {
				if err := d.Handle(ctx); err != nil {
					return connect.NewError(connect.CodeInternal, err)
				}
				return nil
			}
			c := cart{
				unary: func(ctx context.Context, _ *connect.Request[empty]) (*connect.Response[empty], error) {
					return connect.NewResponse(&empty{}), fails(ctx)
				},
				duplex: func(ctx context.Context, _ *connect.BidiStream[text, text]) error { return fails(ctx) },
			}
			client, url := serve(t, quiet(c.mux(connect.WithInterceptors(connectmw.HandlerInterceptor(opts...)))))
			if procedure == unaryProcedure {
				req := connect.NewRequest(&empty{})
				for k, v := range d.Headers {
					req.Header().Set(k, v)
				}
				resp, err := connect.NewClient[empty, empty](client, url+procedure, protocol).CallUnary(t.Context(), req)
				if err != nil {
					return map[string]string{}
				}
				return firstValues(resp.Header())
			}
			stream := connect.NewClient[text, text](client, url+procedure, protocol).CallBidiStream(t.Context())
			for k, v := range d.Headers {
				stream.RequestHeader().Set(k, v)
			}
			_ = stream.CloseRequest()
			_, _ = stream.Receive()
			header := firstValues(stream.ResponseHeader())
			_ = stream.CloseResponse()
			return header
		},
	}
}

// quiet keeps panics from the log of net/http.
func quiet(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

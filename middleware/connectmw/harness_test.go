package connectmw_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tenhop/tenhop/middleware/connectmw"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	unaryProcedure  = "/shop.v1.Cart/Add"
	duplexProcedure = "/shop.v1.Cart/Watch"
	outputProcedure = "/shop.v1.Cart/List"
	uploadProcedure = "/shop.v1.Cart/Fill"
)

func operationOf(procedure string) string { return procedure[1:] }

type (
	empty = emptypb.Empty
	text  = wrapperspb.StringValue
)

// protocols holds the client's option and rpc.system.name of each protocol.
var protocols = map[string]struct {
	option connect.ClientOption
	system string
}{
	"connect":  {connect.WithClientOptions(), "connectrpc"},
	"grpc":     {connect.WithGRPC(), "grpc"},
	"grpc-web": {connect.WithGRPCWeb(), "grpc"},
}

// cart answers as its functions say.
type cart struct {
	unary  func(context.Context, *connect.Request[empty]) (*connect.Response[empty], error)
	duplex func(context.Context, *connect.BidiStream[text, text]) error
	output func(context.Context, *connect.Request[empty], *connect.ServerStream[text]) error
	upload func(context.Context, *connect.ClientStream[text]) (*connect.Response[empty], error)
}

func (c cart) mux(opts ...connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	rpc := http.NewServeMux()
	if c.unary != nil {
		rpc.Handle(unaryProcedure, connect.NewUnaryHandler(unaryProcedure, c.unary, append(opts, connect.WithIdempotency(connect.IdempotencyNoSideEffects))...))
	}
	if c.duplex != nil {
		rpc.Handle(duplexProcedure, connect.NewBidiStreamHandler(duplexProcedure, c.duplex, opts...))
	}
	if c.output != nil {
		rpc.Handle(outputProcedure, connect.NewServerStreamHandler(outputProcedure, c.output, opts...))
	}
	if c.upload != nil {
		rpc.Handle(uploadProcedure, connect.NewClientStreamHandler(uploadProcedure, c.upload, opts...))
	}
	mux.Handle("/shop.v1.Cart/", rpc)
	return mux
}

// serve serves a handler over HTTP/2 and returns its URL and its client.
func serve(t *testing.T, h http.Handler) (*http.Client, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Client(), srv.URL
}

// arrangement is how a service puts the interceptor into its handler.
type arrangement struct {
	name  string
	build func(*mwtest.Recorder, cart, ...connectmw.Option) http.Handler
}

var arrangements = []arrangement{
	{"alone", func(rec *mwtest.Recorder, c cart, opts ...connectmw.Option) http.Handler {
		return c.mux(connect.WithInterceptors(connectmw.HandlerInterceptor(append(opts, connectmw.WithTelemetry(rec.Telemetry))...)))
	}},
	{"behind httpmw", func(rec *mwtest.Recorder, c cart, opts ...connectmw.Option) http.Handler {
		mux := c.mux(connect.WithInterceptors(connectmw.HandlerInterceptor(append(opts, connectmw.WithTelemetry(rec.Telemetry))...)))
		return httpmw.Handler(mux, httpmw.WithTelemetry(rec.Telemetry))
	}},
}

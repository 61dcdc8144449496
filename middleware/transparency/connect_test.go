package transparency

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	onConnect = "ConnectRPC"
	onGateway = "grpc-gateway"
)

// apiRows run on ConnectRPC, in its three protocols, and on grpc-gateway.
func apiRows() []row {
	const connectCall = "POST /shop.Things/Get HTTP/1.1\nHost: shop\nConnection: close\nContent-Type: application/json\nContent-Length: 7\n\n"
	return []row{
		{feature: "API: unary call over HTTP/1.1", cells: map[string]func(*exchange){
			onConnect: rawAPI(connectAPI, connectCall+`"seven"`), onGateway: rawAPI(gatewayAPI, get)}},
		{feature: "API: error with details and metadata", cells: map[string]func(*exchange){
			onConnect: rawAPI(connectAPI, connectCall+`"error"`), onGateway: rawAPI(gatewayAPI, strings.Replace(get, "7", "error", 1))}},
		{feature: "API: server stream", cells: map[string]func(*exchange){
			onConnect: talkConnect("stream"), onGateway: rawAPI(gatewayAPI, strings.Replace(get, "/7", "", 1))}},
		{feature: "API: unknown procedure or path", cells: map[string]func(*exchange){
			onConnect: rawAPI(connectAPI, strings.Replace(connectCall, "Get", "None", 1)+`"seven"`), onGateway: rawAPI(gatewayAPI, strings.Replace(get, "things", "none", 1))}},
		{feature: "API: unary call and error over h2", cells: map[string]func(*exchange){onConnect: talkConnect("unary"), onGateway: func(x *exchange) {
			s := x.serveHTTP2(gatewayAPI(x), true)
			for _, path := range []string{"/things/7", "/things/error"} {
				ask("GET", "")(x, x.http2Client(true), s.URL+path)
			}
		}}},
		{feature: "API: trailers of the gRPC protocol over h2", cells: map[string]func(*exchange){onConnect: talkConnect("unary", connect.WithGRPC())}},
		{feature: "API: both ways of the gRPC protocol over h2", cells: map[string]func(*exchange){onConnect: talkConnect("bidi", connect.WithGRPC())}},
		{feature: "API: gRPC-Web", cells: map[string]func(*exchange){onConnect: talkConnect("stream", connect.WithGRPCWeb())}},
		{feature: "API: panic", cells: map[string]func(*exchange){
			onConnect: rawAPI(connectAPI, connectCall+`"panic"`), onGateway: rawAPI(gatewayAPI, strings.Replace(get, "7", "panic", 1))}},
	}
}

func rawAPI(api func(*exchange) http.Handler, request string) func(*exchange) {
	return func(x *exchange) { x.dial(x.serve(api(x))).send(request).end() }
}

// connectAPI returns a service of ConnectRPC.
func connectAPI(x *exchange) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/shop.Things/Get", connect.NewUnaryHandler("/shop.Things/Get",
		func(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
			switch r.Msg.Value {
			case "error":
				err := connect.NewError(connect.CodeNotFound, errors.New("no such thing"))
				err.Meta().Set("X-Meta", "1")
				detail, _ := connect.NewErrorDetail(wrapperspb.String("why"))
				err.AddDetail(detail)
				return nil, err
			case "panic":
				panic("boom")
			}
			resp := connect.NewResponse(wrapperspb.String("re: " + r.Msg.Value))
			resp.Header().Set("X-Header", "1")
			resp.Trailer().Set("X-Trailer", "2")
			return resp, nil
		}))
	mux.Handle("/shop.Things/List", connect.NewServerStreamHandler("/shop.Things/List",
		func(_ context.Context, r *connect.Request[wrapperspb.StringValue], s *connect.ServerStream[wrapperspb.StringValue]) error {
			for range 2 {
				if err := s.Send(wrapperspb.String("re: " + r.Msg.Value)); err != nil {
					return err
				}
			}
			s.ResponseTrailer().Set("X-Trailer", "2")
			return connect.NewError(connect.CodeAborted, errors.New("enough"))
		}))
	mux.Handle("/shop.Things/Talk", connect.NewBidiStreamHandler("/shop.Things/Talk",
		func(_ context.Context, s *connect.BidiStream[wrapperspb.StringValue, wrapperspb.StringValue]) error {
			for {
				m, err := s.Receive()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(wrapperspb.String("re: " + m.Value)); err != nil {
					return err
				}
			}
		}))
	return x.measure(mux)
}

// talkConnect calls the service over h2 with Connect's own client, which is not measured.
func talkConnect(kind string, opts ...connect.ClientOption) func(*exchange) {
	return func(x *exchange) {
		s := x.serveHTTP2(connectAPI(x), true)
		client := func(method string) *connect.Client[wrapperspb.StringValue, wrapperspb.StringValue] {
			return connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](x.http2Client(true), s.URL+"/shop.Things/"+method, opts...)
		}
		switch kind {
		case "unary":
			for _, v := range []string{"seven", "error"} {
				resp, err := client("Get").CallUnary(x.Context(), connect.NewRequest(wrapperspb.String(v)))
				x.note("client", "%v %s", connect.CodeOf(err), describe(err))
				if err == nil {
					x.note("client", "%s %v", resp.Msg.Value, resp.Trailer())
				}
			}
		case "stream":
			stream, err := client("List").CallServerStream(x.Context(), connect.NewRequest(wrapperspb.String("seven")))
			x.must(err)
			for stream.Receive() {
				x.note("client", "%s", stream.Msg().Value)
			}
			x.call("client", "Err", stream.Err())
			x.note("client", "%v", stream.ResponseTrailer())
			x.call("client", "Close", stream.Close())
		case "bidi":
			stream := client("Talk").CallBidiStream(x.Context())
			for range 3 {
				x.call("client", "Send", stream.Send(wrapperspb.String("seven")))
				m, err := stream.Receive()
				x.note("client", "%v %s", m, describe(err))
			}
			x.call("client", "CloseRequest", stream.CloseRequest())
			_, err := stream.Receive()
			x.call("client", "Receive", err)
			x.call("client", "CloseResponse", stream.CloseResponse())
		}
	}
}

// gatewayAPI returns a gateway, with handlers as protoc-gen-grpc-gateway generates them,
// in front of functions.
func gatewayAPI(x *exchange) http.Handler {
	mux := runtime.NewServeMux()
	x.must(mux.HandlePath(http.MethodGet, "/things/{id}", func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		_, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, "/shop.Things/Get", runtime.WithHTTPPathPattern("/things/{id}"))
		if err != nil {
			runtime.HTTPError(r.Context(), mux, out, w, r, err)
			return
		}
		ctx = runtime.NewServerMetadataContext(ctx, runtime.ServerMetadata{HeaderMD: metadata.Pairs("x-header", "1"), TrailerMD: metadata.Pairs("x-trailer", "2")})
		switch params["id"] {
		case "error":
			st, _ := status.New(codes.NotFound, "no such thing").WithDetails(wrapperspb.String("why"))
			runtime.HTTPError(ctx, mux, out, w, r, st.Err())
		case "panic":
			panic("boom")
		default:
			runtime.ForwardResponseMessage(ctx, mux, out, w, r, wrapperspb.String("re: "+params["id"]))
		}
	}))
	x.must(mux.HandlePath(http.MethodGet, "/things", func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		_, out := runtime.MarshalerForRequest(mux, r)
		n := 0
		runtime.ForwardResponseStream(runtime.NewServerMetadataContext(r.Context(), runtime.ServerMetadata{}), mux, out, w, r, func() (proto.Message, error) {
			if n++; n > 2 {
				return nil, status.Error(codes.Aborted, "enough")
			}
			return wrapperspb.String("one"), nil
		})
	}))
	return x.measure(mux)
}

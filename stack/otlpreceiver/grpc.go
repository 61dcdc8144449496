package otlpreceiver

import (
	"context"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // the default compression of most exporters
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/tenhop/tenhop/stack/otelcol"
)

// Limits of the gRPC server. An exporter has a few requests in flight.
const (
	maxStreams       = 100 // per connection
	handshakeTimeout = 10 * time.Second
	connectionIdle   = 5 * time.Minute
	pingInterval     = time.Minute
	pingTimeout      = 20 * time.Second
	minClientPing    = 10 * time.Second
	maxHeaderBytes   = 64 << 10
	receivingBytes   = 512 << 20 // of messages that are not complete or not answered
)

func (r *Receiver) grpcServer() *grpc.Server {
	s := grpc.NewServer(
		grpc.MaxRecvMsgSize(r.maxBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.InTapHandle(r.withTimeout),
		grpc.RPCDecompressor(&gunzip{decoding: &r.decoding, maxBytes: r.maxBytes}), //nolint:staticcheck // encoding.RegisterCompressor is for all servers of the process
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2("proto"), &r.decoding}),
		grpc.UnaryInterceptor(r.decoding.interceptor(r.viaGRPC)),
		grpc.StatsHandler(unhandled{r.viaGRPC, &r.decoding}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: connectionIdle, Time: pingInterval, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minClientPing, PermitWithoutStream: true}),
	)
	if r.consumer.Traces != nil {
		ptraceotlp.RegisterGRPCServer(s, &traceService{consume: r.consumer.Traces, count: r.viaGRPC})
	}
	if r.consumer.Metrics != nil {
		pmetricotlp.RegisterGRPCServer(s, &metricService{consume: r.consumer.Metrics, count: r.viaGRPC})
	}
	if r.consumer.Logs != nil {
		plogotlp.RegisterGRPCServer(s, &logService{consume: r.consumer.Logs, count: r.viaGRPC})
	}
	return s
}

// withTimeout bounds the duration of a call from its headers on, so that a call
// whose message does not arrive ends as well.
func (r *Receiver) withTimeout(ctx context.Context, _ *tap.Info) (context.Context, error) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= r.requestTimeout {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.requestTimeout)
	context.AfterFunc(ctx, cancel) // the parent ends with the call
	return ctx, nil
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	consume func(context.Context, ptrace.Traces) error
	count   *otelcol.Receiver
}

// Export implements ptraceotlp.GRPCServer.
func (s *traceService) Export(ctx context.Context, req ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	resp := ptraceotlp.NewExportResponse()
	return resp, unavailable(consumeTraces(ctx, s.consume, s.count, req.Traces(), resp))
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
	consume func(context.Context, pmetric.Metrics) error
	count   *otelcol.Receiver
}

// Export implements pmetricotlp.GRPCServer.
func (s *metricService) Export(ctx context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	resp := pmetricotlp.NewExportResponse()
	return resp, unavailable(consumeMetrics(ctx, s.consume, s.count, req.Metrics(), resp))
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
	consume func(context.Context, plog.Logs) error
	count   *otelcol.Receiver
}

// Export implements plogotlp.GRPCServer.
func (s *logService) Export(ctx context.Context, req plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	resp := plogotlp.NewExportResponse()
	return resp, unavailable(consumeLogs(ctx, s.consume, s.count, req.Logs(), resp))
}

func unavailable(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Unavailable, err.Error())
}

// unhandled counts the calls that end before their message reaches the interceptor, and gives
// back the memory of that message. A call may end so after its message was decoded: gRPC
// waits for the end of the client's side, and the client may send another message, cancel the
// call or exceed its deadline instead.
type unhandled struct {
	count    *otelcol.Receiver
	decoding *decoding
}

// call is the state of a call. One goroutine uses it, that of the call.
type call struct {
	message any  // decoded, or left empty; nil before
	handled bool // by the interceptor
}

type callKey struct{}

// TagRPC implements stats.Handler.
func (unhandled) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, callKey{}, new(call))
}

// HandleRPC implements stats.Handler.
func (u unhandled) HandleRPC(ctx context.Context, s stats.RPCStats) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.InPayload:
		c.message = s.Payload
	case *stats.End:
		if c.handled {
			return
		}
		switch status.Code(s.Error) {
		case codes.ResourceExhausted:
			u.count.Bad("oversized")
		case codes.Internal, codes.InvalidArgument:
			u.count.Bad("malformed")
		}
		if c.message != nil {
			u.decoding.drop(c.message)
		}
	}
}

// TagConn implements stats.Handler.
func (unhandled) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (unhandled) HandleConn(context.Context, stats.ConnStats) {}

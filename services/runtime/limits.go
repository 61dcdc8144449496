package runtime

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/tap"
)

// Limits of the servers. They end the connections and streams of slow and idle
// clients. Calls between services end earlier, see package resilience.
const (
	requestTimeout   = time.Minute // until the request is read; of a gRPC call as a whole
	headerTimeout    = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	idleTimeout      = 2 * time.Minute  // between HTTP requests
	idleConnection   = 15 * time.Minute // without a gRPC call
	maxHeaderBytes   = 64 << 10
	maxStreams       = 1000 // per gRPC connection
	maxConnections   = 10_000
	receivingBytes   = 512 << 20 // of gRPC calls that are not answered
)

func httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

// grpcLimits returns the options that bound a gRPC server. A call ends after timeout,
// even if its message never arrives.
func grpcLimits(timeout time.Duration) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleConnection, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.InTapHandle(func(ctx context.Context, _ *tap.Info) (context.Context, error) {
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= timeout {
				return ctx, nil
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			context.AfterFunc(ctx, cancel) // the parent ends with the call
			return ctx, nil
		}),
	}
}

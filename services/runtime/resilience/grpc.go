package resilience

import (
	"context"
	"errors"
	"strconv"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Metadata of gRPC's retries (gRFC A6).
const (
	keyAttempts = "grpc-previous-rpc-attempts"
	keyPushback = "grpc-retry-pushback-ms" // negative: do not retry
)

// Around returns the interceptor that belongs around the measured call. It retries methods
// whose descriptor has an idempotency level.
func (c *Client) Around() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel, err := c.deadline(ctx)
		if err != nil {
			return status.FromContextError(err).Err()
		}
		defer cancel()
		return c.retry(ctx, idempotent(method), func(ctx context.Context) (outcome, error) {
			var trailer metadata.MD
			if n := earlier(ctx); n > 0 {
				ctx = metadata.AppendToOutgoingContext(ctx, keyAttempts, strconv.Itoa(n))
			}
			err := invoke(ctx, method, req, reply, cc, append(opts[:len(opts):len(opts)], grpc.Trailer(&trailer))...)
			return outcomeOf(err, trailer), err
		})
	}
}

// Within returns the interceptor that belongs within the measured call, whose span is in
// the context.
func (c *Client) Within() grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if n := earlier(ctx); n > 0 {
			trace.SpanFromContext(ctx).SetAttributes(attribute.Int("previous-rpc-attempts", n)) // gRFC A72
		}
		done, err := c.admit(ctx)
		if err != nil {
			return notMade{status.New(codes.Unavailable, err.Error())}
		}
		var trailer metadata.MD
		err = invoke(ctx, method, req, reply, cc, append(opts[:len(opts):len(opts)], grpc.Trailer(&trailer))...)
		done(outcomeOf(err, trailer))
		return err
	}
}

// notMade is the error of a call that was refused here. To repeat it is no use.
type notMade struct{ status *status.Status }

func (n notMade) Error() string              { return n.status.Err().Error() }
func (n notMade) GRPCStatus() *status.Status { return n.status }

func outcomeOf(err error, trailer metadata.MD) outcome {
	switch status.Code(err) {
	case codes.Unavailable:
	case codes.DeadlineExceeded, codes.Canceled:
		return otherwise
	default:
		return answered
	}
	if errors.As(err, new(notMade)) {
		return otherwise
	}
	if p := trailer.Get(keyPushback); len(p) > 0 && len(p[0]) > 0 && p[0][0] == '-' {
		return otherwise
	}
	return failed
}

// UnaryServer returns an interceptor for servers. It tells a caller not to retry a request
// that failed because a call of its own did, which has been retried.
func UnaryServer() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, h := withHop(ctx)
		resp, err := handler(ctx, req)
		if err != nil && h.callFailed.Load() {
			_ = grpc.SetTrailer(ctx, metadata.Pairs(keyPushback, "-1")) // fails without a transport
		}
		return resp, err
	}
}

// idempotencies holds what idempotent has found out, by method.
var idempotencies sync.Map

// idempotent reports whether the contract of a method lets callers repeat it.
func idempotent(method string) bool {
	if known, ok := idempotencies.Load(method); ok {
		return known.(bool)
	}
	yes := false
	if len(method) > 1 {
		name := []byte(method[1:])
		for i := range name {
			if name[i] == '/' {
				name[i] = '.'
			}
		}
		if d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name)); err == nil {
			if o, ok := d.Options().(*descriptorpb.MethodOptions); ok {
				yes = o.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
			}
		}
	}
	idempotencies.Store(method, yes)
	return yes
}

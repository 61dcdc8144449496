package otlpreceiver

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/stack/budget"
	"github.com/tenhop/tenhop/stack/otelcol"
	"github.com/tenhop/tenhop/trace/otlp"
)

// decoding bounds the memory of the requests that are decoded, until they are consumed, of
// the bodies over HTTP and of decompressed messages over gRPC.
type decoding struct {
	free     *semaphore.Weighted // in bytes
	held     sync.Map            // bytes by decoded gRPC message, a pointer
	inflated sync.Map            // bytes by decompressed gRPC message, the pointer to its first
}

var errSecondMessage = errors.New("the call has more than one message")

// codec adds otlp.DecodedBytes to the codec that package pdata registers, and takes the
// memory that it returns. A codec can only fail for good, so a message for which no
// memory is free stays empty. That it is not in held tells the interceptor.
type codec struct {
	encoding.CodecV2
	decoding *decoding
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, message any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	defer c.decoding.decoded(whole.ReadOnlyData())
	if isUnread(whole.ReadOnlyData()) {
		return nil
	}
	if _, ok := c.decoding.held.Load(message); ok { // gRPC reads on until the client ends its side
		return errSecondMessage
	}
	n, err := otlp.DecodedBytes(whole.ReadOnlyData())
	if err != nil {
		return err
	}
	if !c.decoding.free.TryAcquire(int64(n)) {
		return nil
	}
	if err := c.CodecV2.Unmarshal(mem.BufferSlice{whole}, message); err != nil {
		c.decoding.free.Release(int64(n))
		return err
	}
	c.decoding.held.Store(message, int64(n))
	return nil
}

// interceptor answers messages that the codec left empty, and gives back the memory of the
// others when they are consumed.
func (d *decoding) interceptor(count *otelcol.Receiver) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, message any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if c, ok := ctx.Value(callKey{}).(*call); ok {
			c.handled = true
		}
		n, ok := d.held.LoadAndDelete(message)
		if !ok {
			count.Bad("busy")
			return nil, status.Error(codes.Unavailable, budget.ErrBusy.Error())
		}
		defer d.free.Release(n.(int64))
		return handle(ctx, message)
	}
}

// drop gives back the memory of a message that does not reach the interceptor.
func (d *decoding) drop(message any) {
	if n, ok := d.held.LoadAndDelete(message); ok {
		d.free.Release(n.(int64))
	}
}

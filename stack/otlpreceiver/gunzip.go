package otlpreceiver

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/tenhop/tenhop/stack/budget"
)

// gunzip decompresses the messages of one gRPC server. It takes memory for what comes out,
// as it comes, until the codec has decoded it: a small message may become a large one. It
// implements grpc.Decompressor, the only way to give one server its own.
type gunzip struct {
	decoding *decoding
	maxBytes int
	readers  sync.Pool
}

// unread stands for a message for which no memory was free. A decompressor can only fail
// for good.
var unread = []byte{0}

// Type implements grpc.Decompressor.
func (g *gunzip) Type() string { return "gzip" }

// Do implements grpc.Decompressor.
func (g *gunzip) Do(r io.Reader) ([]byte, error) {
	z, ok := g.readers.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	defer g.readers.Put(z)
	if err := z.Reset(r); err != nil {
		return nil, err
	}
	in := &budget.Reader{In: io.LimitReader(z, int64(g.maxBytes)+1), Free: g.decoding.free}
	var out bytes.Buffer
	_, err := out.ReadFrom(in)
	switch {
	case errors.Is(err, budget.ErrBusy):
		in.Release()
		return unread, nil
	case err != nil || out.Len() == 0 || out.Len() > g.maxBytes: // the server refuses one that is too large
		in.Release()
		return out.Bytes(), err
	}
	g.decoding.inflated.Store(&out.Bytes()[0], in.Taken())
	return out.Bytes(), nil
}

// isUnread reports whether a message is one for which no memory was free.
func isUnread(message []byte) bool { return len(message) == 1 && &message[0] == &unread[0] }

// decoded gives back the memory of a message that was decompressed.
func (d *decoding) decoded(message []byte) {
	if len(message) == 0 {
		return
	}
	if n, ok := d.inflated.LoadAndDelete(&message[0]); ok {
		d.free.Release(n.(int64))
	}
}

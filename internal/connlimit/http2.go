package connlimit

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// HTTP2 is Listener for a server that speaks HTTP/2 without TLS from the first byte on, as gRPC
// does. All connections together hold at most the given bytes of requests that are not answered,
// and each of them a quarter. A connection that brings more is closed.
//
// gRPC bounds the size of a message and the streams of a connection. With a hundred streams and
// messages of 20 MiB, a connection holds 2 GB of what is not complete.
func HTTP2(l net.Listener, most int, bytes int64) net.Listener {
	return &listener{Listener: l, most: int64(most), received: &received{limit: bytes}}
}

// received counts the bytes of all connections of a listener.
type received struct {
	limit int64
	bytes atomic.Int64
}

// Maximum memory in bytes that a frame takes beside its data until it is read, and a stream with
// its headers.
const (
	frameBytes  = 160
	streamBytes = 16 << 10
)

// Frames of HTTP/2, and the flag that ends a side of a stream.
const (
	frameData    = 0
	frameHeaders = 1
	frameReset   = 3
	endStream    = 1

	preface     = 24 // bytes that a client sends before its first frame
	frameHeader = 9
)

var errReceived = errors.New("connlimit: the requests that are not answered exceed a limit")

// metered counts what the streams of a connection have brought, until the server ends them or the
// client resets them.
type metered struct {
	net.Conn
	all     *received
	in, out frames // one goroutine reads, and one writes

	mu      sync.Mutex
	streams map[uint32]int64
	bytes   int64
	closed  bool
}

func newMetered(c net.Conn, all *received) *metered {
	return &metered{Conn: c, all: all, in: frames{skip: preface}, streams: map[uint32]int64{}}
}

// Read implements net.Conn.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.in.feed(p[:n], func(kind, _ byte, stream uint32, length int) {
		switch kind {
		case frameData:
			m.add(stream, int64(length)+frameBytes)
		case frameHeaders:
			m.add(stream, int64(length)+streamBytes)
		case frameReset:
			m.drop(stream)
		}
	})
	if m.exceeds() {
		_ = m.Close() // its error is that of a connection that ends
		return 0, errReceived
	}
	return n, err
}

// Write implements net.Conn.
func (m *metered) Write(p []byte) (int, error) {
	m.out.feed(p, func(kind, flags byte, stream uint32, _ int) {
		if kind == frameReset || flags&endStream != 0 && (kind == frameHeaders || kind == frameData) {
			m.drop(stream)
		}
	})
	return m.Conn.Write(p)
}

// Close implements net.Conn.
func (m *metered) Close() error {
	m.mu.Lock()
	m.all.bytes.Add(-m.bytes)
	m.closed, m.bytes, m.streams = true, 0, nil
	m.mu.Unlock()
	return m.Conn.Close()
}

func (m *metered) add(stream uint32, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.streams[stream] += bytes
		m.bytes += bytes
		m.all.bytes.Add(bytes)
	}
}

func (m *metered) drop(stream uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes := m.streams[stream]
	delete(m.streams, stream)
	m.bytes -= bytes
	m.all.bytes.Add(-bytes)
}

// exceeds reports whether the connection is to be closed.
func (m *metered) exceeds() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bytes > m.all.limit/4 || m.bytes > 0 && m.all.bytes.Load() > m.all.limit
}

// frames finds the frames in what one side of a connection sends.
type frames struct {
	skip   int // bytes until the next header
	header [frameHeader]byte
	have   int // bytes of it
}

// feed calls found for each frame whose header is complete.
func (f *frames) feed(p []byte, found func(kind, flags byte, stream uint32, length int)) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip, p = f.skip-n, p[n:]
			continue
		}
		n := copy(f.header[f.have:], p)
		f.have, p = f.have+n, p[n:]
		if f.have == frameHeader {
			f.have, f.skip = 0, int(binary.BigEndian.Uint32(f.header[:])>>8)
			found(f.header[3], f.header[4], binary.BigEndian.Uint32(f.header[5:])&^(1<<31), f.skip)
		}
	}
}

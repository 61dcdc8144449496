package broker

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// maxRequest is the maximum size of a request in bytes, Kafka's default of
	// socket.request.max.bytes.
	maxRequest = 100 << 20
	// maxTopicRequest is that of a request that may create topics.
	maxTopicRequest = 1 << 20
	// maxUnread is the maximum size of all requests together that are being read.
	maxUnread = 256 << 20
	// idleTimeout is the time until a request begins, Kafka's default of
	// connections.max.idle.ms, and requestTimeout the time until it is complete.
	idleTimeout    = 10 * time.Minute
	requestTimeout = 30 * time.Second
)

var errRequest = errors.New("broker: the request is malformed or exceeds a limit")

// guardedListener returns guarded connections.
type guardedListener struct {
	net.Listener
	limits *limits
}

// Accept implements net.Listener.
func (g guardedListener) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guarded{Conn: conn, limits: g.limits}, nil
}

// guarded is a connection that checks requests before kfake reads them. kfake is made
// for tests: it panics on an unknown API key or a size below that of a header, allocates
// any size that a client announces, and creates as many partitions as are asked for.
type guarded struct {
	net.Conn
	limits *limits
	begin  []byte // checked begin of a request, not yet returned
	data   int    // bytes left to read of the request after it
	mu     sync.Mutex
	held   int // bytes held of limits
	closed bool
}

const headerSize = 4 + 2 + 2 // size, API key, version

// Read implements net.Conn. It fails at the first invalid request. It returns the
// begin of a request apart from its data, so that kfake reads a size only after
// it was checked.
func (g *guarded) Read(p []byte) (int, error) {
	if len(g.begin) == 0 && g.data == 0 {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	if len(g.begin) > 0 {
		n := copy(p, g.begin)
		g.begin = g.begin[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.data)])
	if g.data -= n; g.data == 0 {
		g.release()
	}
	return n, err
}

// Close implements net.Conn.
func (g *guarded) Close() error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.release()
	return g.Conn.Close()
}

// fill reads and checks the header of a request, and the rest of one that may create topics.
func (g *guarded) fill() error {
	header := make([]byte, headerSize)
	if err := g.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return err
	}
	if _, err := io.ReadFull(g.Conn, header[:1]); err != nil {
		return err
	}
	if err := g.SetReadDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if _, err := io.ReadFull(g.Conn, header[1:]); err != nil {
		return err
	}
	size, kind, version := binary.BigEndian.Uint32(header), int16(binary.BigEndian.Uint16(header[4:])), int16(binary.BigEndian.Uint16(header[6:]))
	request := kmsg.RequestForKey(kind)
	if size < headerSize || size > maxRequest || request == nil || version < 0 || (version > request.MaxVersion() && kind != int16(kmsg.ApiVersions)) {
		return errRequest
	}
	rest := int(size) - (headerSize - 4)
	if !createsTopics(request) {
		if !g.hold(rest) {
			return errRequest
		}
		g.begin, g.data = header, rest
		return nil
	}
	if rest > maxTopicRequest {
		return errRequest
	}
	whole := append(header, make([]byte, rest)...)
	if _, err := io.ReadFull(g.Conn, whole[headerSize:]); err != nil {
		return err
	}
	request.SetVersion(version)
	body := kbin.Reader{Src: whole[headerSize:]}
	body.Int32()          // correlation ID
	body.NullableString() // client ID
	if request.IsFlexible() {
		kmsg.SkipTags(&body)
	}
	if body.Complete() != nil || request.ReadFrom(body.Src) != nil || !g.limits.allow(request) {
		return errRequest
	}
	g.begin = whole
	return nil
}

// hold takes bytes from the limit of unread requests. It fails if they are not left.
func (g *guarded) hold(bytes int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	if g.limits.unread.Add(int64(bytes)) > maxUnread {
		g.limits.unread.Add(int64(-bytes))
		return false
	}
	g.held = bytes
	return true
}

// release returns what hold took.
func (g *guarded) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits.unread.Add(int64(-g.held))
	g.held = 0
}

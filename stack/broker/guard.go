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
	// maxRequest is the maximum size in bytes of a request, other than Produce. The largest
	// ones of clients list partitions, of which there are maxPartitions.
	maxRequest = 1 << 20
	// maxProduceRequest is that of Produce: eight batches of records of 1 MiB each, which is
	// kfake's and Kafka's message.max.bytes. By default, the producers of Java and librdkafka
	// send 1 MiB per request. franz-go and sarama send a batch of up to 1 MiB for each
	// partition; one that fills the batches of more than eight at a time needs a lower
	// BrokerMaxWriteBytes or MaxRequestSize. Kafka's socket.request.max.bytes is 100 MiB.
	maxProduceRequest = 8 << 20
	// maxPending is the maximum size in bytes of all requests together that are being read
	// or not answered yet. Those larger than maxRequest have half of it.
	maxPending = 256 << 20
	// maxIDs is the maximum size in bytes of what precedes the fields that are checked of a
	// Produce or Fetch: the IDs of client and transaction.
	maxIDs = 4 << 10
	// maxFetchWait is the maximum time for which a Fetch waits for records. Clients ask for
	// up to ten seconds by default.
	maxFetchWait = time.Minute
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
	return newGuarded(conn, g.limits), nil
}

// guarded is a connection that checks requests before kfake reads them. kfake is made
// for tests: it panics on an unknown API key or a size below that of a header, allocates
// any size that a client announces, and creates as many partitions as are asked for. It
// reads a request while it handles the one before, so it would keep a large one for as long
// as a Fetch waits for records. Like Kafka, guarded reads the next when one is answered.
type guarded struct {
	net.Conn
	limits *limits
	begin  []byte        // checked begin of a request, not yet returned
	data   int           // bytes left to read of the request after it
	silent bool          // the request has no response: Produce without acks
	busy   chan struct{} // has an element while a request is read or handled
	done   chan struct{} // closed by Close
	mu     sync.Mutex
	held   int           // bytes held of limits
	kept   time.Duration // for which kfake keeps the request if the connection is closed
	closed bool
}

const headerSize = 4 + 2 + 2 // size, API key, version

func newGuarded(conn net.Conn, l *limits) *guarded {
	return &guarded{Conn: conn, limits: l, busy: make(chan struct{}, 1), done: make(chan struct{})}
}

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
		if g.begin = g.begin[n:]; len(g.begin) == 0 {
			g.begin = nil // it may be large
		}
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.data)])
	g.data -= n
	return n, err
}

// Write implements net.Conn. kfake writes a response at once.
func (g *guarded) Write(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	g.answered()
	return n, err
}

// Close implements net.Conn. A Fetch that waits for records counts until it would have waited
// long enough: kfake does not forget it before.
func (g *guarded) Close() error {
	g.mu.Lock()
	first, kept := !g.closed, g.kept
	if first {
		g.closed = true
		close(g.done)
	}
	g.mu.Unlock()
	switch {
	case first && kept > 0:
		time.AfterFunc(kept, g.release)
	case first:
		g.release()
	}
	return g.Conn.Close()
}

// fill reads and checks the header of a request, and what else check needs.
func (g *guarded) fill() error {
	if g.silent { // kfake reads on when it has queued the request
		g.silent = false
		g.answered()
	}
	header := make([]byte, headerSize)
	if err := g.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return err
	}
	if _, err := io.ReadFull(g.Conn, header[:1]); err != nil { // also if the client hangs up while it waits
		return err
	}
	if err := g.turn(); err != nil {
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
	if size < headerSize || request == nil || version < 0 || (version > request.MaxVersion() && kind != int16(kmsg.ApiVersions)) {
		return errRequest
	}
	rest, most, checked := int(size)-(headerSize-4), maxRequest, 0
	switch {
	case kind == int16(kmsg.Produce):
		most, checked = maxProduceRequest, min(rest, maxIDs)
	case kind == int16(kmsg.Fetch):
		checked = min(rest, maxIDs)
	case createsTopics(request):
		checked = rest
	}
	if int(size) > most || !g.hold(rest) {
		return errRequest
	}
	begin := append(header, make([]byte, checked)...)
	if _, err := io.ReadFull(g.Conn, begin[headerSize:]); err != nil {
		return err
	}
	request.SetVersion(version)
	if checked > 0 && !g.check(request, begin[headerSize:]) {
		return errRequest
	}
	g.begin, g.data = begin, rest-checked
	return nil
}

// check checks a request by its begin after the header: all of one that may create topics, a
// Produce as far as it tells whether there is a response, and a Fetch as far as it tells how
// long it waits, which check shortens.
func (g *guarded) check(request kmsg.Request, begin []byte) bool {
	body := kbin.Reader{Src: begin}
	body.Int32()          // correlation ID
	body.NullableString() // client ID
	if request.IsFlexible() {
		kmsg.SkipTags(&body)
	}
	switch version := request.GetVersion(); request.(type) {
	case *kmsg.ProduceRequest:
		if request.IsFlexible() {
			body.CompactNullableString() // transaction ID
		} else if version >= 3 {
			body.NullableString()
		}
		g.silent = body.Int16() == 0 // acks
	case *kmsg.FetchRequest:
		if version < 15 {
			body.Int32() // replica ID
		}
		at := len(begin) - len(body.Src)
		wait := min(time.Duration(body.Int32())*time.Millisecond, maxFetchWait)
		if body.Complete() == nil {
			binary.BigEndian.PutUint32(begin[at:], uint32(wait.Milliseconds()))
			g.keep(wait)
		}
	default:
		return body.Complete() == nil && request.ReadFrom(body.Src) == nil && g.limits.allow(request)
	}
	return body.Complete() == nil
}

// turn waits until the request before is answered. A response that takes longer than
// idleTimeout ends the connection, as it does without a next request.
func (g *guarded) turn() error {
	limit := time.NewTimer(idleTimeout)
	defer limit.Stop()
	select {
	case g.busy <- struct{}{}:
		return nil
	case <-g.done:
		return net.ErrClosed
	case <-limit.C:
		return errRequest
	}
}

// answered ends a request: the next one may be read.
func (g *guarded) answered() {
	g.release()
	select {
	case <-g.busy:
	default:
	}
}

// hold takes bytes from the limit of pending requests. It fails if they are not left.
func (g *guarded) hold(bytes int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	limit := int64(maxPending)
	if bytes > maxRequest {
		limit /= 2
	}
	if g.limits.pending.Add(int64(bytes)) > limit {
		g.limits.pending.Add(int64(-bytes))
		return false
	}
	g.held = bytes
	return true
}

// release returns what hold took.
func (g *guarded) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits.pending.Add(int64(-g.held))
	g.held, g.kept = 0, 0
}

// keep sets the time for which kfake keeps the request if the connection is closed.
func (g *guarded) keep(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept = wait
}

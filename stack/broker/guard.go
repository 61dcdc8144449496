package broker

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
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
	// maxSending is the maximum size in bytes of all responses that clients have not read.
	maxSending = 256 << 20
	// maxSyncWait is the maximum time for which a SyncGroup waits for the one of the group's
	// leader: that of a JoinGroup, see layouts.
	maxSyncWait = 5 * time.Minute
	// maxConnections is the maximum number of connections. A client has two or three.
	maxConnections = 1_000
	// acceptAgain is the time after which a listener that failed is tried again.
	acceptAgain = 100 * time.Millisecond
	// idleTimeout is the time until a request begins, Kafka's default of
	// connections.max.idle.ms, and requestTimeout the time until it is complete, and that
	// until its response is read.
	idleTimeout    = 10 * time.Minute
	requestTimeout = 30 * time.Second
)

var (
	errRequest = errors.New("broker: the request is malformed or exceeds a limit")
	errSending = errors.New("broker: the responses that clients do not read exceed a limit")
)

// guardedListener returns guarded connections.
type guardedListener struct {
	net.Listener
	limits *limits
}

// Accept implements net.Listener. kfake accepts nothing any more after an error, so Accept
// returns one only if the listener is closed: others, such as that of too many open files, pass.
func (g guardedListener) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			g.limits.say("a connection was not accepted", "error", err)
			time.Sleep(acceptAgain)
		case g.limits.connections.Add(1) > maxConnections:
			g.limits.connections.Add(-1)
			g.limits.say(closed+"there are too many connections", "maximum", maxConnections)
			conn.Close()
		default:
			return newGuarded(conn, g.limits), nil
		}
	}
}

// guarded is a connection that checks requests before kfake reads them. kfake is made
// for tests: it panics on an unknown API key or a size below that of a header, allocates
// any size that a client announces, and creates as many partitions as are asked for. It reads
// tagged fields that do not exist, and waits for as long as it is told to. It
// reads a request while it handles the one before, so it would keep a large one for as long
// as a Fetch waits for records. Like Kafka, guarded reads the next when one is answered.
type guarded struct {
	net.Conn
	limits *limits
	read   []byte        // of a checked request, not yet returned
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

// Read implements net.Conn. It fails at the first invalid request.
func (g *guarded) Read(p []byte) (int, error) {
	if len(g.read) == 0 {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.read)
	if g.read = g.read[n:]; len(g.read) == 0 {
		g.read = nil // it may be large
	}
	return n, nil
}

// Write implements net.Conn. kfake writes a response at once.
func (g *guarded) Write(p []byte) (int, error) {
	defer g.limits.sending.Add(int64(-len(p)))
	if g.limits.sending.Add(int64(len(p))) > maxSending {
		g.limits.say(closed+"clients do not read their responses", "maximum_bytes", maxSending)
		return 0, errSending
	}
	if err := g.SetWriteDeadline(time.Now().Add(requestTimeout)); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(p)
	g.answered()
	return n, err
}

// Close implements net.Conn. A Fetch that waits for records, or a JoinGroup for other members,
// counts until it would have waited long enough: kfake does not forget it before.
func (g *guarded) Close() error {
	g.mu.Lock()
	first, kept := !g.closed, g.kept
	if first {
		g.closed = true
		close(g.done)
		g.limits.connections.Add(-1)
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

// fill reads and checks a request.
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
	rest, most := int(size)-(headerSize-4), maxRequest
	if kind == int16(kmsg.Produce) {
		most = maxProduceRequest
	}
	if int(size) > most || !g.hold(rest) {
		return errRequest
	}
	read := append(header, make([]byte, rest)...)
	if _, err := io.ReadFull(g.Conn, read[headerSize:]); err != nil {
		return err
	}
	request.SetVersion(version)
	read, ok := g.check(request, read)
	if !ok {
		return errRequest
	}
	g.read = read
	return nil
}

// check checks a request and returns what kfake gets: with lower times to wait, and without
// configurations that it cannot have.
func (g *guarded) check(request kmsg.Request, read []byte) ([]byte, bool) {
	var w walker
	if !w.walk(kmsg.Key(request.Key()), request.GetVersion(), read[headerSize:]) || !g.hold(w.elements*elementBytes) {
		return nil, false
	}
	g.keep(w.wait)
	switch r := request.(type) {
	case *kmsg.ProduceRequest:
		g.silent = acks(r, w.body) == 0
	case *kmsg.SyncGroupRequest:
		g.keep(maxSyncWait)
	case *kmsg.JoinGroupRequest:
		return read, r.ReadFrom(w.body) == nil && distinct(r.Protocols)
	case *kmsg.MetadataRequest, *kmsg.CreatePartitionsRequest:
		return read, r.ReadFrom(w.body) == nil && g.limits.allow(r)
	case *kmsg.CreateTopicsRequest, *kmsg.AlterConfigsRequest, *kmsg.IncrementalAlterConfigsRequest:
		if r.ReadFrom(w.body) != nil || !boundConfigs(r) || !g.limits.allow(r) {
			return nil, false
		}
		read = r.AppendTo(slices.Clone(read[:len(read)-len(w.body)])) // tags of r are in read
		binary.BigEndian.PutUint32(read, uint32(len(read)-4))
	}
	return read, true
}

// acks returns the acks of a Produce, which follow its transaction ID.
func acks(r *kmsg.ProduceRequest, body []byte) int16 {
	b := kbin.Reader{Src: body}
	switch {
	case r.IsFlexible():
		b.CompactNullableString()
	case r.Version >= 3:
		b.NullableString()
	}
	return b.Int16()
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
	g.held += bytes
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

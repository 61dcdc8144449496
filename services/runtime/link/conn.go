package link

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// conn is a connection that can be disturbed. A direction that was disturbed once passes
// through a pipe from then on, so that nothing overtakes.
type conn struct {
	net.Conn
	link *link

	reading, writing sync.Mutex // held by Read and Write
	rest             []byte     // read from down and not yet taken; guarded by reading

	mu       sync.Mutex
	up, down *pipe // nil until they are disturbed
	err      error // why it failed

	once            sync.Once
	failed          chan struct{} // closed when the connection is
	readBy, writeBy deadline
}

var _ syscall.Conn = (*conn)(nil)

func newConn(inner net.Conn, of *link) *conn {
	return &conn{Conn: inner, link: of, failed: make(chan struct{}), readBy: deadline{past: make(chan struct{})}, writeBy: deadline{past: make(chan struct{})}}
}

// SyscallConn returns that of the connection itself, for clients that look whether an idle
// connection is still open.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	inner, ok := c.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return inner.SyscallConn()
}

// Write writes b, or hands it to the pipe.
func (c *conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	p := c.pipe(stream.Upstream, nil)
	if p == nil {
		n, err := c.Conn.Write(b)
		if err != nil && c.broken() {
			err = c.because("write")
		}
		return n, err
	}
	if c.broken() {
		return 0, c.because("write")
	}
	select {
	case p.in <- chunk(b):
		return len(b), nil
	case <-c.failed:
		return 0, c.because("write")
	case <-c.writeBy.passed():
		return 0, os.ErrDeadlineExceeded
	}
}

// Read reads from the connection, or from the pipe.
func (c *conn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	p := c.down
	c.mu.Unlock()
	if p == nil {
		n, err := c.Conn.Read(b)
		if n == 0 || err != nil {
			if c.broken() {
				err = c.because("read")
			}
			return n, err
		}
		if p = c.pipe(stream.Downstream, chunk(b[:n])); p == nil {
			return n, nil
		}
	}
	if len(c.rest) == 0 {
		select {
		case got := <-p.out:
			if got == nil {
				return 0, c.because("read")
			}
			c.rest = got.Data
		case <-c.failed:
			return 0, c.because("read")
		case <-c.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// chunk copies b.
func chunk(b []byte) *stream.StreamChunk {
	return &stream.StreamChunk{Data: append([]byte(nil), b...), Timestamp: time.Now()}
}

// pipe returns the pipe of a direction. If there is none, it starts one if the link is
// disturbed and the connection open, with a chunk that was read already, if any; otherwise
// it returns nil.
func (c *conn) pipe(d stream.Direction, first *stream.StreamChunk) *pipe {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := &c.up
	if d == stream.Downstream {
		at = &c.down
	}
	if *at != nil {
		return *at
	}
	toxic := c.link.current(d)
	if toxic == nil || c.broken() { // nobody would end the pipe of a closed connection
		return nil
	}
	*at = newPipe(toxic)
	if d == stream.Upstream {
		_ = c.Conn.SetWriteDeadline(time.Time{})
		go c.drain(*at)
	} else {
		_ = c.Conn.SetReadDeadline(time.Time{})
		go c.fill(*at, first)
	}
	return *at
}

// drain writes what has passed a pipe.
func (c *conn) drain(p *pipe) {
	failed := false
	for got := range p.out { // to its end, since toxics wait for the reader
		if failed {
			continue
		}
		if _, err := c.Conn.Write(got.Data); err != nil {
			failed = true
			c.fail(err)
		}
	}
	c.reset() // unless it was closed
}

// fill reads into a pipe.
func (c *conn) fill(p *pipe, first *stream.StreamChunk) {
	defer close(p.in)
	buf := make([]byte, 32<<10)
	for got := first; ; {
		if got != nil {
			select {
			case p.in <- got:
			case <-c.failed:
				return
			}
		}
		n, err := c.Conn.Read(buf)
		if err != nil {
			c.mu.Lock()
			if c.err == nil {
				c.err = err // for the reader of what is left in the pipe
			}
			c.mu.Unlock()
			return
		}
		got = chunk(buf[:n])
	}
}

// turn makes the pipes run the toxics that are in force.
func (c *conn) turn() {
	c.mu.Lock()
	up, down := c.up, c.down
	c.mu.Unlock()
	if up != nil {
		up.turn(func() *toxics.ToxicWrapper { return c.link.current(stream.Upstream) })
	}
	if down != nil {
		down.turn(func() *toxics.ToxicWrapper { return c.link.current(stream.Downstream) })
	}
}

// Close closes the connection. What is still in a pipe is lost.
func (c *conn) Close() error {
	c.fail(net.ErrClosed)
	return nil
}

// reset closes the connection as the other end does when it is gone. It has no effect on a
// closed one.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	c.fail(syscall.ECONNRESET)
}

// fail closes the connection with the reason for its user.
func (c *conn) fail(err error) {
	c.once.Do(func() {
		c.mu.Lock()
		c.err = err
		up, down := c.up, c.down
		close(c.failed)
		c.mu.Unlock()
		_ = c.Conn.Close()
		c.readBy.stop()
		c.writeBy.stop()
		go func() { // toxics wait for their readers
			c.link.forget(c)
			if down != nil {
				for range down.out { // it is lost
				}
			}
		}()
		go func() {
			if up != nil {
				c.writing.Lock()
				defer c.writing.Unlock()
				close(up.in)
			}
		}()
	})
}

func (c *conn) broken() bool {
	select {
	case <-c.failed:
		return true
	default:
		return false
	}
}

// because returns the error of an operation on a connection that failed.
func (c *conn) because(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.err
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		err = os.NewSyscallError(op, syscall.ECONNRESET)
	case !errors.Is(err, net.ErrClosed):
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the deadline of Read.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy.set(t)
	if c.down != nil {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the deadline of Write.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy.set(t)
	if c.up != nil {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

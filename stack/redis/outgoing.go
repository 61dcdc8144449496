package redis

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxBlocked is the time for which a response waits for its client. miniredis writes
	// under the lock that every command takes.
	maxBlocked = 5 * time.Millisecond
	// maxQueued is the maximum size in bytes of the responses that a client has not read,
	// and maxAllQueued that of all clients. Redis has no bound.
	maxQueued    = 2 * maxBulk
	maxAllQueued = 256 << 20
	// maxUnread is the time in which a client must read what is queued.
	maxUnread = 30 * time.Second
	// maxConnections is the maximum number of connections.
	maxConnections = 1_000
)

var errUnread = errors.New("redis: the client does not read its responses")

// outgoing is a connection that queues what its client does not read at once.
type outgoing struct {
	net.Conn
	all *atomic.Int64 // bytes that are queued for all clients

	mu     sync.Mutex
	queue  []byte
	taken  int  // bytes that drain is writing
	drains bool // drain is running
	failed bool
	closed bool
}

// Write implements net.Conn.
func (o *outgoing) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.failed {
		return 0, net.ErrClosed
	}
	sent := 0
	if !o.drains {
		if err := o.SetWriteDeadline(time.Now().Add(maxBlocked)); err != nil {
			return 0, err
		}
		n, err := o.Conn.Write(p)
		if sent = n; !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	rest := p[sent:]
	o.all.Add(int64(len(rest)))
	o.queue = append(o.queue, rest...)
	if len(o.queue)+o.taken > maxQueued || o.all.Load() > maxAllQueued {
		o.fail()
		return sent, errUnread
	}
	if !o.drains {
		o.drains = true
		go o.drain()
	}
	return len(p), nil
}

// drain writes the queue until it is empty.
func (o *outgoing) drain() {
	for {
		o.mu.Lock()
		out := o.queue
		if o.queue, o.taken = nil, len(out); len(out) == 0 || o.failed {
			if o.drains = false; o.closed {
				_ = o.Conn.Close() // there is nobody to tell
			}
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		_ = o.SetWriteDeadline(time.Now().Add(maxUnread)) // fails as Write does
		_, err := o.Conn.Write(out)
		o.all.Add(int64(-len(out)))
		if err != nil {
			o.mu.Lock()
			o.fail()
			o.mu.Unlock()
		}
	}
}

// fail closes the connection and forgets the queue. o.mu is held.
func (o *outgoing) fail() {
	if !o.failed {
		o.failed = true
		o.all.Add(int64(-len(o.queue)))
		o.queue = nil
		_ = o.Conn.Close() // there is nobody to tell
	}
}

// Close implements net.Conn. What is queued is written before, if the client reads it in time.
func (o *outgoing) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	if o.closed = true; o.drains {
		return nil
	}
	return o.Conn.Close()
}

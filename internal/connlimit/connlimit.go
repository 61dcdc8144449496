// Package connlimit bounds the connections of a server, and the memory of the requests that
// HTTP/2 connections bring.
package connlimit

import (
	"net"
	"sync"
	"sync/atomic"
)

// Default is the maximum number of connections of an endpoint for telemetry, queries or
// administration. Its clients have a few each.
const Default = 1_000

// Listener returns a listener that closes the connections that l accepts while there are already
// most of them.
func Listener(l net.Listener, most int) net.Listener {
	return &listener{Listener: l, most: int64(most)}
}

type listener struct {
	net.Listener
	most, open int64
	received   *received // nil unless the connections are of HTTP/2
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if atomic.AddInt64(&l.open, 1) > l.most {
			atomic.AddInt64(&l.open, -1)
			_ = c.Close() // nothing was written
			continue
		}
		counted := &conn{Conn: c, open: &l.open}
		if l.received != nil {
			return newMetered(counted, l.received), nil
		}
		return counted, nil
	}
}

// conn counts until it is closed.
type conn struct {
	net.Conn
	open *int64
	once sync.Once
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { atomic.AddInt64(c.open, -1) })
	return c.Conn.Close()
}

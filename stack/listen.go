package stack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// endpoints opens the sockets and records their addresses.
type endpoints struct {
	config Config
	bound  map[string]string // endpoint to host:port
	moved  map[string]string // endpoint to the host:port that was in use
	opened []io.Closer
}

// newEndpoints takes ownership of the sockets in c, whether a part uses them or not.
func newEndpoints(c Config) *endpoints {
	e := &endpoints{config: c, bound: map[string]string{}, moved: map[string]string{}}
	for _, l := range c.Listeners {
		e.opened = append(e.opened, l)
	}
	for _, conn := range c.PacketConns {
		e.opened = append(e.opened, conn)
	}
	return e
}

// close closes every socket. Most of them are closed already, by their servers.
func (e *endpoints) close() {
	for _, c := range e.opened {
		_ = c.Close()
	}
}

// listen opens a TCP endpoint.
func (e *endpoints) listen(name string) (net.Listener, error) {
	if l := e.config.Listeners[name]; l != nil {
		e.bound[name] = l.Addr().String()
		return l, nil
	}
	l, err := open(e, name, func(address string) (net.Listener, error) { return net.Listen("tcp", address) })
	if err != nil {
		return nil, err
	}
	e.bound[name] = l.Addr().String()
	return l, nil
}

// listenPacket opens a UDP endpoint.
func (e *endpoints) listenPacket(name string) (net.PacketConn, error) {
	if c := e.config.PacketConns[name]; c != nil {
		e.bound[name] = c.LocalAddr().String()
		return c, nil
	}
	c, err := open(e, name, func(address string) (net.PacketConn, error) { return net.ListenPacket("udp", address) })
	if err != nil {
		return nil, err
	}
	e.bound[name] = c.LocalAddr().String()
	return c, nil
}

// open listens on the configured address of an endpoint, or on its default one.
// If the port is in use, it listens on a free one.
func open[T io.Closer](e *endpoints, name string, listen func(address string) (T, error)) (T, error) {
	address := e.config.Addresses[name]
	if address == "" {
		known, _ := endpoint.Named(name)
		address = known.DefaultAddress()
	}
	c, err := listen(address)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, err = listen(withPort(address, "0")); err == nil {
			e.moved[name] = address
		}
	}
	if err != nil {
		return c, fmt.Errorf("listen for %s: %w", name, err)
	}
	e.opened = append(e.opened, c)
	return c, nil
}

func withPort(address, port string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(host, port)
}

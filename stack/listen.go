package stack

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// endpoints opens the listeners and remembers where they are.
type endpoints struct {
	config Config
	bound  map[string]string // host:port
	moved  map[string]string // wanted host:port
}

func newEndpoints(c Config) *endpoints {
	return &endpoints{config: c, bound: map[string]string{}, moved: map[string]string{}}
}

func (e *endpoints) wanted(name string) string {
	if a := e.config.Addresses[name]; a != "" {
		return a
	}
	return defaultAddress(name)
}

// listen opens a TCP endpoint.
func (e *endpoints) listen(name string) (net.Listener, error) {
	l := e.config.Listeners[name]
	if l == nil {
		address := e.wanted(name)
		var err error
		l, err = net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			if l, err = net.Listen("tcp", freePort(address)); err == nil {
				e.moved[name] = address
			}
		}
		if err != nil {
			return nil, fmt.Errorf("listen for %s: %w", name, err)
		}
	}
	e.bound[name] = l.Addr().String()
	return l, nil
}

// listenPacket opens a UDP endpoint.
func (e *endpoints) listenPacket(name string) (net.PacketConn, error) {
	address := e.wanted(name)
	c, err := net.ListenPacket("udp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, err = net.ListenPacket("udp", freePort(address)); err == nil {
			e.moved[name] = address
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	e.bound[name] = c.LocalAddr().String()
	return c, nil
}

func freePort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(host, "0")
}

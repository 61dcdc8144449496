package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// Socket is an open socket and the name under which a child inherits it. The
// supervisor keeps it open as well, so that a restarted child serves on the same
// address.
type Socket struct {
	Name string
	Conn Conn
}

// Conn is a socket that a child can inherit: a *net.TCPListener or a *net.UDPConn.
type Conn interface {
	File() (*os.File, error)
	Close() error
}

// address returns the host:port that the socket is bound to.
func (s Socket) address() string {
	switch c := s.Conn.(type) {
	case *net.TCPListener:
		return c.Addr().String()
	case *net.UDPConn:
		return c.LocalAddr().String()
	}
	return ""
}

// listen opens a socket for e on loopback: on its default port or, if free is
// set, on any free port. If the default port is in use, listen chooses a free one
// and reports taken.
func listen(e endpoint.Endpoint, free bool) (c Conn, taken bool, err error) {
	port := e.Port
	if free {
		port = 0
	}
	c, err = listenOn(e.Network, port)
	if port != 0 && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)) {
		taken = true
		c, err = listenOn(e.Network, 0)
	}
	if err != nil {
		return nil, taken, fmt.Errorf("open a socket for %s: %w", e.Name, err)
	}
	return c, taken, nil
}

func listenOn(network string, port int) (Conn, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if network == "udp" {
		c, err := net.ListenPacket(network, address)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Inheritance holds the sockets that a supervisor passed to this process, by name.
type Inheritance struct {
	Listeners   map[string]net.Listener
	PacketConns map[string]net.PacketConn
}

// firstInherited is the first inherited descriptor, as in sd_listen_fds(3).
const firstInherited = 3

// Inherited returns the sockets that this process inherited. It is empty in a
// process that was not started by a supervisor.
func Inherited() (Inheritance, error) {
	in := Inheritance{Listeners: map[string]net.Listener{}, PacketConns: map[string]net.PacketConn{}}
	count := os.Getenv("LISTEN_FDS")
	if count == "" {
		return in, nil
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	n, err := strconv.Atoi(count)
	if err != nil || n != len(names) {
		return in, fmt.Errorf("LISTEN_FDS=%s does not match LISTEN_FDNAMES=%s", count, os.Getenv("LISTEN_FDNAMES"))
	}
	for i, name := range names {
		if err := in.take(firstInherited+i, name); err != nil {
			return in, err
		}
	}
	return in, nil
}

// take adds the socket behind a descriptor.
func (in Inheritance) take(fd int, name string) error {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	l, err := net.FileListener(f)
	if err == nil {
		in.Listeners[name] = l
		return nil
	}
	if c, packetErr := net.FilePacketConn(f); packetErr == nil {
		in.PacketConns[name] = c
		return nil
	}
	return fmt.Errorf("inherited descriptor %d (%s) is not a listening socket: %w", fd, name, err)
}

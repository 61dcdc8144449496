package broker

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest is the maximum size of a request in bytes, Kafka's default of
// socket.request.max.bytes.
const maxRequest = 100 << 20

var errRequest = errors.New("broker: the request is malformed or exceeds the maximum size")

// guardedListener returns guarded connections.
type guardedListener struct{ net.Listener }

// Accept implements net.Listener.
func (g guardedListener) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guarded{Conn: conn}, nil
}

// guarded is a connection that checks the headers of requests before kfake reads
// them. kfake is made for tests: it panics on an unknown API key or a size below
// that of a header, and allocates any size that a client announces.
type guarded struct {
	net.Conn
	header []byte // checked header, not yet returned
	data   int    // bytes left to read of the request
}

const headerSize = 4 + 2 + 2 // size, API key, version

// Read implements net.Conn. It fails at the first invalid header. It returns the
// header of a request apart from its data, so that kfake reads a size only after
// it was checked.
func (g *guarded) Read(p []byte) (int, error) {
	if len(g.header) == 0 && g.data == 0 {
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
	if len(g.header) > 0 {
		n := copy(p, g.header)
		g.header = g.header[n:]
		return n, nil
	}
	n, err := g.Conn.Read(p[:min(len(p), g.data)])
	g.data -= n
	return n, err
}

// fill reads and checks a header.
func (g *guarded) fill() error {
	header := make([]byte, 0, headerSize)
	for len(header) < headerSize {
		n, err := g.Conn.Read(header[len(header):headerSize])
		if err != nil {
			return err
		}
		header = header[:len(header)+n]
	}
	size, kind, version := binary.BigEndian.Uint32(header), int16(binary.BigEndian.Uint16(header[4:])), int16(binary.BigEndian.Uint16(header[6:]))
	request := kmsg.RequestForKey(kind)
	if size < headerSize || size > maxRequest || request == nil || version < 0 || (version > request.MaxVersion() && kind != int16(kmsg.ApiVersions)) {
		return errRequest
	}
	g.header, g.data = header, int(size)-(headerSize-4)
	return nil
}

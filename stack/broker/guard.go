package broker

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest bounds a request, in bytes: Kafka's own default of
// socket.request.max.bytes.
const maxRequest = 100 << 20

var errRequest = errors.New("broker: the client does not speak the protocol, or sends more than is allowed")

// guarding is a listener whose connections are guarded.
type guarding struct{ net.Listener }

// Accept returns the next connection.
func (g guarding) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &guarded{Conn: conn}, nil
}

// guarded is a connection whose requests' headers are checked before kfake reads
// them: made for tests, it ends the process on a kind of request that it does
// not know or a size below that of a header, and reserves whatever size it is told.
type guarded struct {
	net.Conn
	header []byte // size, kind and version, so far
	data   int    // bytes of the request still to come
}

const headerSize = 4 + 2 + 2 // size, kind (API key), version

// Read fails at the first header that is none. It returns no more than a header
// at a time, so that kfake sees a size only once it is checked.
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

// fill reads a header and checks it.
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

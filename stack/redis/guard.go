package redis

import (
	"errors"
	"net"
	"strconv"
	"time"
)

// Limits of a request. Redis allows a million arguments of 512 MiB each; a cart
// needs a few bytes.
const (
	maxArguments = 64 << 10
	maxBulk      = 16 << 20 // bytes of one argument
	maxLine      = 64       // bytes of a header such as *3 or $11
	maxRequest   = 30 * time.Second
)

var errProtocol = errors.New("redis: the request is malformed or exceeds a limit")

// guarded is a connection that checks requests before miniredis reads them.
// miniredis is made for tests: it panics on an empty request (*0, *-1) and
// allocates any length that a client announces.
type guarded struct {
	net.Conn
	line      []byte // header read so far
	arguments int    // arguments left to read in the request
	data      int    // bytes left to read of the argument and its line end
	begun     bool   // a part of a request has been read, whose deadline is set
}

// Read implements net.Conn. It fails at the first byte that is not part of a
// valid request, and if the rest of a request does not arrive in time. Between
// requests a client may be silent.
func (g *guarded) Read(p []byte) (int, error) {
	if partial := len(g.line) > 0 || g.arguments > 0 || g.data > 0; partial != g.begun {
		var end time.Time
		if partial {
			end = time.Now().Add(maxRequest)
		}
		if err := g.SetReadDeadline(end); err != nil {
			return 0, err
		}
		g.begun = partial
	}
	n, err := g.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if len(g.line) == 0 && g.arguments == 0 && g.data == 0 {
			g.begun = false // the next request has a time of its own
		}
		if skip := min(g.data, len(rest)); skip > 0 {
			g.data, rest = g.data-skip, rest[skip:]
			continue
		}
		g.line, rest = append(g.line, rest[0]), rest[1:]
		if g.line[len(g.line)-1] != '\n' {
			if len(g.line) == maxLine {
				return 0, errProtocol
			}
			continue
		}
		if !g.header() {
			return 0, errProtocol
		}
		g.line = g.line[:0]
	}
	return n, err
}

// header parses a complete header line, which holds the number of arguments or
// the length of one. It reports whether the line is valid.
func (g *guarded) header() bool {
	if len(g.line) < 4 || g.line[len(g.line)-2] != '\r' {
		return false
	}
	kind, most := byte('*'), maxArguments
	if g.arguments > 0 {
		kind, most = '$', maxBulk
	}
	v, err := strconv.Atoi(string(g.line[1 : len(g.line)-2]))
	if err != nil || g.line[0] != kind || v < 0 || v > most {
		return false
	}
	if kind == '*' {
		g.arguments = v
		return v > 0
	}
	g.arguments, g.data = g.arguments-1, v+len("\r\n")
	return true
}

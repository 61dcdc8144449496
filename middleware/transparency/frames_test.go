package transparency

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tap records both directions of an HTTP/2 connection, seen from the client.
type tap struct {
	net.Conn
	mu        sync.Mutex
	sent, got bytes.Buffer
}

func (c *tap) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.Write(p[:n])
	return n, err
}

func (c *tap) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sent.Write(p)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// tap returns a connection whose frames are recorded when the transcript is made.
func (x *exchange) tap(conn net.Conn) net.Conn {
	t := &tap{Conn: conn}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.taps = append(x.taps, t)
	return t
}

// frames adds the frames of all connections to the transcript, a track per direction
// and stream. Frames that only depend on timing and buffers are left out: SETTINGS, PING,
// WINDOW_UPDATE, resets and endings without an error, and how data are cut.
func (x *exchange) frames() {
	for i, t := range x.taps {
		t.mu.Lock()
		sent, got := bytes.TrimPrefix(t.sent.Bytes(), []byte(http2.ClientPreface)), t.got.Bytes()
		for name, b := range map[string][]byte{"request": sent, "response": got} {
			for stream, lines := range decode(b) {
				x.tracks[fmt.Sprintf("%s of stream %d of connection %d", name, stream, i+1)] = lines
			}
		}
		t.mu.Unlock()
	}
}

// decode returns the frames in b as lines by stream.
func decode(b []byte) map[uint32][]string {
	fr := http2.NewFramer(io.Discard, bytes.NewReader(b))
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	lines, data := map[uint32][]string{}, map[uint32]*strings.Builder{}
	note := func(id uint32, format string, args ...any) {
		lines[id] = append(lines[id], fmt.Sprintf(format, args...))
	}
	flush := func(id uint32) {
		if d := data[id]; d != nil {
			note(id, "DATA %q", d.String())
			delete(data, id)
		}
	}
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			break
		}
		id := frame.Header().StreamID
		switch f := frame.(type) {
		case *http2.DataFrame:
			if data[id] == nil && len(f.Data()) > 0 {
				data[id] = &strings.Builder{}
			}
			if d := data[id]; d != nil {
				d.Write(f.Data())
			}
			if f.StreamEnded() {
				flush(id)
				note(id, "end of stream")
			}
		case *http2.MetaHeadersFrame:
			flush(id)
			note(id, "HEADERS\n%s\n", fields(f.Fields))
			if f.StreamEnded() {
				note(id, "end of stream")
			}
		case *http2.RSTStreamFrame:
			flush(id)
			if f.ErrCode != http2.ErrCodeNo { // a server that answers early
				note(id, "RST_STREAM %v", f.ErrCode)
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo { // the end of the script
				note(0, "GOAWAY %v", f.ErrCode)
			}
		case *http2.PushPromiseFrame:
			decoded, err := fr.ReadMetaHeaders.DecodeFull(f.HeaderBlockFragment())
			note(id, "PUSH_PROMISE %d %v\n%s\n", f.PromiseID, err, fields(decoded))
		}
	}
	for id := range data {
		flush(id)
	}
	return lines
}

// fields returns a header block in the order of names: clients send maps.
func fields(block []hpack.HeaderField) string {
	var s []string
	for _, f := range block {
		s = append(s, f.Name+": "+f.Value)
	}
	slices.Sort(s)
	return strings.Join(s, "\n")
}

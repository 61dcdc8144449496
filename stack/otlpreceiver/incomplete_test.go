package otlpreceiver_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tenhop/tenhop/internal/hostile"
)

// A connection whose calls hold 128 MiB of messages that are not complete ends.
func TestMessagesThatAreNotComplete(t *testing.T) {
	viaGRPC, _ := serve(t)
	conn, err := net.Dial("tcp", viaGRPC.Target())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	fr := http2.NewFramer(conn, conn)
	if _, err := io.WriteString(conn, http2.ClientPreface); errors.Join(err, fr.WriteSettings()) != nil {
		t.Fatal(err)
	}
	cost := hostile.Measure(func() {
		for stream := uint32(1); stream < 40; stream += 2 {
			if send(fr, stream) != nil {
				return
			}
		}
		t.Error("300 MiB were taken for calls that wait")
	})
	if cost.Peak > 192<<20 {
		t.Errorf("%d MiB of memory", cost.Peak>>20)
	}
}

// send begins a call, and sends 15 of the 16 MiB of its message when the server takes them.
func send(fr *http2.Framer, stream uint32) error {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", exportTraces}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	err := errors.Join(fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}),
		fr.WriteData(stream, false, []byte{0, 1, 0, 0, 0}))
	for err == nil {
		f, failed := fr.ReadFrame()
		if err = failed; err == nil && f.Header().Type == http2.FrameWindowUpdate && f.Header().StreamID == stream {
			break
		}
	}
	for n := 0; n < 15<<20/(16<<10) && err == nil; n++ {
		err = fr.WriteData(stream, false, make([]byte, 16<<10))
	}
	return err
}

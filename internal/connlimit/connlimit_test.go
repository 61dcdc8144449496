package connlimit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/internal/hostile"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ended reports whether the other side closes a connection.
func ended(c net.Conn) bool {
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestConnectionsAreBounded(t *testing.T) {
	l := connlimit.Listener(listen(t), 2)
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial(t, l)
	first := <-accepted
	dial(t, l)
	second := <-accepted
	defer second.Close()
	if !ended(dial(t, l)) {
		t.Fatal("a third connection was not closed")
	}
	first.Close()
	first.Close()
	dial(t, l)
	(<-accepted).Close()
}

// serve serves gRPC and returns its listener.
func serve(t *testing.T, bytes int64) net.Listener {
	t.Helper()
	l := connlimit.HTTP2(listen(t), 100, bytes)
	s := grpc.NewServer(grpc.MaxRecvMsgSize(20 << 20))
	healthpb.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l
}

// caller is a client that sends frames as it likes.
type caller struct {
	conn net.Conn
	fr   *http2.Framer
	next uint32
}

func newCaller(t *testing.T, l net.Listener) *caller {
	t.Helper()
	c := &caller{conn: dial(t, l), next: 1}
	c.fr = http2.NewFramer(c.conn, c.conn)
	_, err := io.WriteString(c.conn, http2.ClientPreface)
	if err = errors.Join(err, c.fr.WriteSettings()); err != nil {
		t.Fatal(err)
	}
	return c
}

// call begins a call whose message has a size, and returns its stream.
func (c *caller) call(size uint32) (uint32, error) {
	var block writer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/grpc.health.v1.Health/Check"}, {":authority", "a"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return 0, err
		}
	}
	stream := c.next
	c.next += 2
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true})
	return stream, errors.Join(err, c.fr.WriteData(stream, false, []byte{0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}))
}

// window waits until the server takes the whole message of a call.
func (c *caller) window(stream uint32) error {
	for {
		f, err := c.fr.ReadFrame()
		if err != nil || f.Header().Type == http2.FrameWindowUpdate && f.Header().StreamID == stream {
			return err
		}
	}
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// Messages that are not complete take no more memory than the limit.
func TestMessagesThatAreNotComplete(t *testing.T) {
	l := serve(t, 32<<20)
	c := newCaller(t, l)
	cost := hostile.Measure(func() {
		for range 16 {
			stream, err := c.call(8 << 20)
			if err != nil || c.window(stream) != nil {
				return
			}
			for range 500 {
				if c.fr.WriteData(stream, false, make([]byte, 16<<10)) != nil {
					return
				}
			}
		}
		t.Error("125 MiB were taken for calls that wait")
	})
	if cost.Peak > 64<<20 {
		t.Errorf("%d MiB of memory", cost.Peak>>20)
	}
}

// Streams that wait for the rest of their messages are bounded, for all connections together and
// for each. Others are served afterwards.
func TestStreamsThatWait(t *testing.T) {
	l := serve(t, 8<<20)
	var callers sync.WaitGroup
	for range 8 {
		c := newCaller(t, l)
		callers.Go(func() {
			for range 1000 { // 16 MiB of headers
				if _, err := c.call(4 << 20); err != nil {
					break
				}
			}
			if !ended(c.conn) {
				t.Error("a connection with 1,000 calls that wait was not closed")
			}
		})
	}
	callers.Wait()
	check(t, l, 100)
}

// check makes calls, at once and one after the other.
func check(t *testing.T, l net.Listener, n int) {
	t.Helper()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for i := range n {
		if _, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
			t.Fatal(fmt.Errorf("call %d: %w", i, err))
		}
	}
}

// Calls that are answered, and those that their client resets, count no more.
func TestCallsThatEnd(t *testing.T) {
	const limit = 1 << 20 // 16 calls of a connection at a time
	l := serve(t, limit)
	check(t, l, 500)
	c := newCaller(t, l)
	go func() { _, _ = io.Copy(io.Discard, c.conn) }()
	for n := range 500 {
		stream, err := c.call(4 << 20)
		if err = errors.Join(err, c.fr.WriteRSTStream(stream, http2.ErrCodeCancel)); err != nil {
			t.Fatalf("reset %d: %v", n, err)
		}
	}
	check(t, l, 500)
}

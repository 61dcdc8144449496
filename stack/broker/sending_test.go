package broker

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A client that does not read its response ends its connection, and all responses together are
// bounded.
func TestResponsesThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(1, slog.New(slog.DiscardHandler))
		response, waiting := make([]byte, 16<<20), make(chan error, 100)
		for range maxSending/len(response) + 1 {
			client, server := pipe(l)
			defer client.Close()
			defer server.Close()
			go func() {
				_, err := server.Write(response)
				waiting <- err
			}()
		}
		synctest.Wait()
		select {
		case err := <-waiting:
			if !errors.Is(err, errSending) {
				t.Fatal(err)
			}
		default:
			t.Fatal("all responses wait for their clients")
		}
		time.Sleep(2 * requestTimeout)
		for range maxSending / len(response) {
			select {
			case err := <-waiting:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal(err)
				}
			default:
				t.Fatal("a response waits for its client for ever")
			}
		}
		if n := l.sending.Load(); n != 0 {
			t.Errorf("%d bytes count without a response", n)
		}
	})
}

// failing is a listener that has no file descriptor at first, and then a connection, until it is
// closed.
type failing struct {
	net.Listener
	failures int
}

// Accept implements net.Listener.
func (f *failing) Accept() (net.Conn, error) {
	if f.failures--; f.failures >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	_, conn := net.Pipe()
	return conn, nil
}

// kfake stops to listen at the first error.
func TestListenersSurviveFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guardedListener{&failing{failures: 50}, newLimits(1, slog.New(slog.DiscardHandler))}
		conn, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	l := newLimits(1, slog.New(slog.DiscardHandler))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	l.connections.Store(maxConnections - 1)
	accepted := make(chan net.Conn, 3)
	go func() {
		for {
			conn, err := (guardedListener{listener, l}).Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		return conn
	}
	defer dial().Close()
	first := <-accepted
	second := dial()
	defer second.Close()
	if _, err := second.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("one connection more than the maximum: %v", err)
	}
	first.Close()
	first.Close() // kfake does so twice
	defer dial().Close()
	(<-accepted).Close()
	if n := l.connections.Load(); n != maxConnections-1 {
		t.Errorf("%d connections count", n)
	}
}

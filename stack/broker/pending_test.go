package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// encode returns a request of a size in bytes, or of its own size if that is zero.
func encode(r kmsg.Request, size int) []byte {
	b := make([]byte, 4, 64)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(r.GetVersion()))
	b = append(b, 0, 0, 0, 7, 0xff, 0xff) // correlation ID 7, no client ID
	if r.IsFlexible() {
		b = append(b, 0) // no tags
	}
	b = r.AppendTo(b)
	b = append(b, make([]byte, max(0, 4+size-len(b)))...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func produceRequest(version, acks int16, size int) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TransactionID = version, acks, kmsg.StringPtr("transfer")
	return encode(r, size)
}

func fetchRequest(wait time.Duration, size int) []byte {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxWaitMillis = 4, int32(wait.Milliseconds())
	return encode(r, size)
}

// pipe returns both ends of a connection, of which the broker's is guarded.
func pipe(l *limits) (client net.Conn, server *guarded) {
	client, conn := net.Pipe()
	return client, newGuarded(conn, l)
}

// A request counts from its header until its response is written.
func TestRequestsCountUntilTheyAreAnswered(t *testing.T) {
	l := newLimits(1, slog.New(slog.DiscardHandler))
	request := produceRequest(7, -1, maxProduceRequest)
	var clients []net.Conn
	var servers []*guarded
	read := func() error {
		client, server := pipe(l)
		t.Cleanup(func() { client.Close(); server.Close() })
		go func() { _, _ = client.Write(request) }() // fails if the server refuses it
		_, err := io.CopyN(io.Discard, server, int64(len(request)))
		if err == nil {
			clients, servers = append(clients, client), append(servers, server)
		}
		return err
	}
	const most = maxPending / 2 / maxProduceRequest
	for len(servers) <= most {
		if err := read(); err != nil {
			break
		}
	}
	if len(servers) != most {
		t.Fatalf("%d requests of %d bytes wait for their responses, want %d", len(servers), maxProduceRequest, most)
	}
	go func() { _, _ = io.Copy(io.Discard, clients[0]) }()
	if _, err := servers[0].Write([]byte("response")); err != nil {
		t.Fatal(err)
	}
	servers[1].Close()
	for n := range 3 {
		if err := read(); (err == nil) != (n < 2) {
			t.Errorf("request %d after one was answered and one closed: %v", n, err)
		}
	}
	for _, s := range servers {
		s.Close()
	}
	if n := l.pending.Load(); n != 0 {
		t.Errorf("%d bytes count without any request", n)
	}
}

// A client may send a request before the one before is answered. It stays in the client's and
// the kernel's buffers until then.
func TestRequestsWaitForTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimits(1, slog.New(slog.DiscardHandler))
		client, server := pipe(l)
		defer client.Close()
		defer server.Close()
		first, second := fetchRequest(time.Hour, 0), produceRequest(7, -1, maxProduceRequest)
		go func() { _, _ = client.Write(append(bytes.Clone(first), second...)) }()
		if _, err := io.CopyN(io.Discard, server, int64(len(first))); err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := io.CopyN(io.Discard, server, int64(len(second)))
			read <- err
		}()
		time.Sleep(2 * requestTimeout)
		select {
		case err := <-read:
			t.Fatalf("the second request was read before the first was answered: %v", err)
		default:
		}
		if n := l.pending.Load(); n > int64(len(first)) {
			t.Errorf("%d bytes count while the second request waits", n)
		}
		go func() { _, _ = io.Copy(io.Discard, client) }()
		if _, err := server.Write([]byte("response")); err != nil {
			t.Fatal(err)
		}
		if err := <-read; err != nil {
			t.Errorf("the second request: %v", err)
		}
		if n := l.pending.Load(); n < maxProduceRequest-headerSize {
			t.Errorf("%d bytes count after the second request was read", n)
		}
	})
}

// A request whose response does not come ends the connection when the next one has waited, and
// so does Close.
func TestRequestsWaitNoLongerThanTheConnection(t *testing.T) {
	for name, end := range map[string]func(*guarded){
		"for too long": func(*guarded) { time.Sleep(idleTimeout) },
		"closed":       func(g *guarded) { g.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(newLimits(1, slog.New(slog.DiscardHandler)))
				defer client.Close()
				defer server.Close()
				request := fetchRequest(time.Hour, 0)
				go func() { _, _ = client.Write(append(bytes.Clone(request), request...)) }()
				if _, err := io.CopyN(io.Discard, server, int64(len(request))); err != nil {
					t.Fatal(err)
				}
				read := make(chan error, 1)
				go func() {
					_, err := server.Read(make([]byte, 4))
					read <- err
				}()
				synctest.Wait()
				end(server)
				synctest.Wait()
				select {
				case err := <-read:
					if err == nil {
						t.Error("the second request was read")
					}
				default:
					t.Error("the second request still waits")
				}
			})
		})
	}
}

// A Produce without acks has no response, so the next request does not wait for one.
func TestRequestsAfterOneWithoutResponse(t *testing.T) {
	for version := int16(3); version <= 13; version++ {
		synctest.Test(t, func(t *testing.T) {
			l := newLimits(1, slog.New(slog.DiscardHandler))
			client, server := pipe(l)
			defer client.Close()
			defer server.Close()
			silent, acknowledged := produceRequest(version, 0, 100_000), produceRequest(version, 1, 200_000)
			go func() {
				for _, r := range [][]byte{silent, silent, acknowledged, acknowledged} {
					_, _ = client.Write(r)
				}
			}()
			if _, err := io.CopyN(io.Discard, server, int64(2*len(silent)+len(acknowledged))); err != nil {
				t.Fatalf("version %d: %v", version, err)
			}
			if n := l.pending.Load(); n > int64(len(acknowledged)) {
				t.Errorf("version %d: %d bytes count for a request of %d", version, n, len(acknowledged))
			}
			time.AfterFunc(time.Minute, func() { server.Close() })
			if _, err := server.Read(make([]byte, 4)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("version %d: a request after one with a response: %v", version, err)
			}
		})
	}
}

// kfake keeps a Fetch that waits for records when its connection is closed. It waits a minute at
// most, and counts until then.
func TestFetchesOfClosedConnectionsCount(t *testing.T) {
	for version := int16(4); version <= 18; version++ {
		synctest.Test(t, func(t *testing.T) {
			l := newLimits(1, slog.New(slog.DiscardHandler))
			client, server := pipe(l)
			defer client.Close()
			defer server.Close()
			const maxFetchWait = time.Minute
			r := kmsg.NewPtrFetchRequest()
			r.Version, r.MaxWaitMillis, r.MinBytes, r.MaxBytes = version, 1<<31-1, 1, 1<<20
			sent := encode(r, 100_000)
			go func() { _, _ = client.Write(sent) }()
			read := make([]byte, len(sent))
			if _, err := io.ReadFull(server, read); err != nil {
				t.Fatal(err)
			}
			r.MaxWaitMillis = int32(maxFetchWait.Milliseconds())
			if !bytes.Equal(read, encode(r, 100_000)) {
				t.Errorf("version %d: the request differs in more than its wait", version)
			}
			server.Close()
			server.Close() // kfake does so twice
			time.Sleep(maxFetchWait - time.Second)
			if n := l.pending.Load(); n < 90_000 {
				t.Errorf("version %d: %d bytes count while the request waits", version, n)
			}
			time.Sleep(2 * time.Second)
			if n := l.pending.Load(); n != 0 {
				t.Errorf("version %d: %d bytes count after it has waited", version, n)
			}
		})
	}
}

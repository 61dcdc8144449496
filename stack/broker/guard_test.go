package broker_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// send writes what may be a request and closes; the answer does not matter.
func send(t *testing.T, address, bytes string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("after %.20q nobody listens: %v", bytes, err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(bytes)) // the other side may have hung up
	_ = conn.(*net.TCPConn).CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // a fetch may be waiting for records
	_, _ = io.Copy(io.Discard, conn)
}

// request is a header with size, kind, version, correlation ID 7, no client ID,
// and a body.
func request(kind, version int16, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(10+len(body)))
	b = binary.BigEndian.AppendUint16(b, uint16(kind))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = append(b, 0, 0, 0, 7, 0xff, 0xff)
	return string(b) + body
}

// A broker that ends takes the whole stack with it.
func TestHostileClients(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	for _, sent := range []string{
		"", "\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x00", "\x00\x00\x00\x04\x00\x03\x00\x00", "\x00\x00\x00\x08\x00\x03\x00\x00\x00\x00\x00\x01",
		"GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x00", 4096), strings.Repeat("\xff", 4096),
		request(-1, 0, ""), request(9999, 0, ""), request(3, -1, ""), request(3, 999, ""), request(18, 999, "\x00\x00"),
	} {
		send(t, address, sent)
	}
	for kind := range int16(128) {
		known := kmsg.RequestForKey(kind)
		if known == nil {
			continue
		}
		for version := range known.MaxVersion() + 1 {
			for _, body := range []string{"", strings.Repeat("\x00", 64), strings.Repeat("\xff", 64), "\x00\x00\x7f\xff\xff\xff\x01\x02"} {
				send(t, address, request(kind, version, body))
			}
		}
	}
	produce(t, address, "a")
	if got := consume(t, address, 1); got[0] != "a" {
		t.Errorf("consumed %q afterwards", got)
	}
}

// Producers that ask for no acknowledgement get no responses, and need none to go on.
func TestProducersWithoutAcknowledgement(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	c := client(t, address, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	defer c.Close()
	want := []string{"a", "b", "c", "d"}
	for _, v := range want {
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "orders.placed", Key: []byte("k"), Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if got := consume(t, address, len(want)); !slices.Equal(got, want) {
		t.Errorf("consumed %v, want %v", got, want)
	}
}

// A request of 20 bytes may say that 2^32-1 tagged fields follow, in its header or its body.
func TestTaggedFieldsThatDoNotFollow(t *testing.T) {
	_, address := open(t, t.TempDir(), "orders.placed")
	const tags = "\xff\xff\xff\xff\x0f"
	for where, sent := range map[string]string{
		"header": request(18, 3, tags),
		"body":   request(18, 3, "\x00\x01\x01"+tags),
		"topic":  request(3, 9, "\x00\x02\x01"+tags),
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // the fields take minutes to read
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection was not closed: %v", where, err)
		}
	}
}

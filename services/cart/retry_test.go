package cart

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// deaf returns the address of a link to a server that does what a command says and loses
// the answer: of the first request that contains command, in any case of letters.
func deaf(t *testing.T, to, command string) (address string, lost *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	lost = &atomic.Int64{}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				return
			}
			var cut atomic.Bool
			go func() {
				defer server.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := client.Read(buf)
					if err != nil {
						return
					}
					if bytes.Contains(bytes.ToLower(buf[:n]), []byte(command)) && lost.CompareAndSwap(0, 1) {
						cut.Store(true)
					}
					if _, err := server.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
			go func() {
				defer client.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := server.Read(buf)
					if err != nil || cut.Load() {
						return
					}
					if _, err := io.Copy(client, bytes.NewReader(buf[:n])); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), lost
}

// A change whose answer is lost is not made twice.
func TestLostAnswersChangeNothingTwice(t *testing.T) {
	storetest.EachRedis(t, func(t *testing.T, addr string) {
		connect := func(addr string) *redis.Client {
			return redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
		}
		direct := connect(addr)
		defer direct.Close()
		well := &server{redis: direct, catalog: shelf{}}
		quantity := func(user string) (n int32) {
			t.Helper()
			content, err := well.GetCart(t.Context(), &pb.GetCartRequest{UserId: user})
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range content.GetItems() {
				n += it.GetQuantity()
			}
			return n
		}
		through := func(command string) (*server, *atomic.Int64) {
			address, lost := deaf(t, addr, command)
			client := connect(address)
			t.Cleanup(func() { client.Close() })
			return &server{redis: client, catalog: shelf{}}, lost
		}

		s, lost := through("hincrby")
		if _, err := s.AddItem(t.Context(), &pb.AddItemRequest{UserId: "ada", ProductId: "p-001", Quantity: 2}); err == nil || lost.Load() != 1 {
			t.Errorf("the answer was not lost: %v", err)
		}
		if got := quantity("ada"); got != 2 {
			t.Errorf("the cart has %d after 2 were added once", got)
		}

		if _, err := well.GetCart(t.Context(), &pb.GetCartRequest{UserId: "ada", ClaimId: "c"}); err != nil {
			t.Fatal(err)
		}
		s, lost = through("hincrby")
		for range 2 { // the caller tries again, and may
			_, _ = s.EmptyCart(t.Context(), &pb.EmptyCartRequest{UserId: "ada", ClaimId: "c", Restore: true})
		}
		if got := quantity("ada"); got != 2 || lost.Load() != 1 {
			t.Errorf("the cart has %d after a claim of 2 was restored", got)
		}
	})
}

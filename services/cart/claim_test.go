package cart

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

func TestClaims(t *testing.T) { storetest.EachRedis(t, testClaims) }

func testClaims(t *testing.T, addr string) {
	client := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	defer client.Close()
	s := &server{redis: client, catalog: shelf{}}
	add := func(product string, quantity int32) {
		t.Helper()
		if _, err := s.AddItem(t.Context(), &pb.AddItemRequest{UserId: "ada", ProductId: product, Quantity: quantity}); err != nil {
			t.Fatal(err)
		}
	}
	// items returns what a claim got, or what is in the cart.
	items := func(claim string) string {
		t.Helper()
		content, err := s.GetCart(t.Context(), &pb.GetCartRequest{UserId: "ada", ClaimId: claim})
		if err != nil {
			t.Fatalf("claim %q: %v", claim, err)
		}
		out := ""
		for _, it := range content.GetItems() {
			out += fmt.Sprint(it.GetQuantity(), " ", it.GetProductId(), ";")
		}
		return out
	}
	end := func(claim string, restore bool) {
		t.Helper()
		if _, err := s.EmptyCart(t.Context(), &pb.EmptyCartRequest{UserId: "ada", ClaimId: claim, Restore: restore}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(why, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", why, got, want)
		}
	}
	expect("an empty cart", items("c-0"), "")
	add("p-1", 2)
	expect("a claim", items("c-1"), "2 p-1;")
	expect("the cart behind it", items(""), "")
	add("p-1", 1)
	add("p-2", 1)
	expect("the claim again", items("c-1"), "2 p-1;")
	expect("what was added meanwhile", items(""), "1 p-1;1 p-2;")
	if left, err := client.TTL(t.Context(), claimKey("ada", "c-1")).Result(); err != nil || left <= 0 || left > keepFor {
		t.Errorf("a forgotten claim stays for %v (%v), want at most %v", left, err, keepFor)
	}
	end("c-1", true)
	end("c-1", true)
	expect("put back, once", items(""), "3 p-1;1 p-2;")
	expect("an ended claim, asked for late", items("c-1"), "")
	expect("the cart behind that", items(""), "3 p-1;1 p-2;")
	end("c-2", true)
	expect("a claim that ended before it was made", items("c-2"), "")
	expect("another", items("c-3"), "3 p-1;1 p-2;")
	end("c-3", false)
	end("c-3", true)
	expect("dropped", items(""), "")
	if left, err := client.TTL(t.Context(), claimKey("ada", "c-3")).Result(); err != nil || left <= 0 || left > endedFor {
		t.Errorf("an ended claim is remembered for %v (%v), want at most %v", left, err, endedFor)
	}

	// Of claims at once, one gets the items.
	add("p-9", 1)
	var got atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			content, err := s.GetCart(context.Background(), &pb.GetCartRequest{UserId: "ada", ClaimId: fmt.Sprint("race-", i)})
			if err != nil {
				t.Error(err)
			}
			got.Add(int32(len(content.GetItems())))
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("the one item was claimed %d times", got.Load())
	}
	// Of ends at once, one puts the items back.
	add("p-9", 1)
	expect("one more claim", items("many-ends"), "1 p-9;")
	for range 8 {
		wg.Go(func() {
			if _, err := s.EmptyCart(t.Context(), &pb.EmptyCartRequest{UserId: "ada", ClaimId: "many-ends", Restore: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	expect("put back by one of many", items(""), "1 p-9;")
}

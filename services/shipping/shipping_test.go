package shipping

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// TestARecordThatComesTwiceShipsOnce: delivery is at least once.
func TestARecordThatComesTwiceShipsOnce(t *testing.T) {
	storetest.EachBroker(t, shipsOnce)
}

func shipsOnce(t *testing.T, b storetest.Broker) {
	storetest.Each(t, "shipping", func(t *testing.T, e *runtime.Env) {
		b.Configure(&e.Config)
		tap := b.Tap(t, contracts.TopicShipmentsCreated)
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		events, err := e.Publisher()
		if err != nil {
			t.Fatal(err)
		}
		s := &server{store: store, events: events}
		ship := func(id, region string) {
			t.Helper()
			value, err := protojson.Marshal(&pb.OrderPlaced{OrderId: id, UserId: "user-001", Region: region})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.ship(t.Context(), runtime.Event{Value: value}); err != nil {
				t.Fatal(err)
			}
		}
		first, last := uuid.NewString(), uuid.NewString() // the real broker keeps earlier tests' records
		ship(first, "eu")
		ship(first, "eu")
		for _, unreadable := range []string{"no JSON", "{}"} {
			if err := s.ship(t.Context(), runtime.Event{Value: []byte(unreadable)}); !runtime.IsUnprocessable(err) {
				t.Errorf("the event %s would come back for ever: %v", unreadable, err)
			}
		}
		ship(last, "atlantis")

		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		announced := map[string]int{}
		for announced[first] == 0 || announced[last] == 0 {
			got, err := tap.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var m pb.ShipmentCreated
			if err := got.Decode(&m); err != nil || m.GetCarrier() == "" {
				t.Fatalf("%s: %v", got.Value, err)
			}
			announced[m.GetOrderId()]++
		}
		if announced[first] != 1 || announced[last] != 1 {
			t.Errorf("announced %v, want %s and %s once each", announced, first, last)
		}
	})
}

package shipping

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// TestARecordThatComesTwiceShipsOnce: delivery is at least once.
func TestARecordThatComesTwiceShipsOnce(t *testing.T) {
	storetest.EachBroker(t, func(t *testing.T, seeds []string) { shipsOnce(t, seeds) })
}

func shipsOnce(t *testing.T, seeds []string) {
	storetest.Each(t, "shipping", func(t *testing.T, e *runtime.Env) {
		e.Kafka = seeds
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		producer, err := e.Kafka.Producer(e)
		if err != nil {
			t.Fatal(err)
		}
		s := &server{store: store, kafka: producer}
		ship := func(id, region string) {
			t.Helper()
			value, err := protojson.Marshal(&pb.OrderPlaced{OrderId: id, UserId: "user-001", Region: region})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.ship(t.Context(), &kgo.Record{Value: value}); err != nil {
				t.Fatal(err)
			}
		}
		first, last := uuid.NewString(), uuid.NewString() // the real broker keeps earlier tests' records
		ship(first, "eu")
		ship(first, "eu")
		if err := s.ship(t.Context(), &kgo.Record{Value: []byte("no JSON")}); err != nil {
			t.Errorf("an unreadable record would come back for ever: %v", err)
		}
		ship(last, "atlantis")

		cl, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.ConsumeTopics(contracts.TopicShipmentsCreated))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		announced := map[string]int{}
		for announced[first] == 0 || announced[last] == 0 {
			fetches := cl.PollRecords(ctx, 10)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			for _, r := range fetches.Records() {
				var m pb.ShipmentCreated
				if err := protojson.Unmarshal(r.Value, &m); err != nil || m.GetCarrier() == "" {
					t.Fatalf("%s: %v", r.Value, err)
				}
				announced[m.GetOrderId()]++
			}
		}
		if announced[first] != 1 || announced[last] != 1 {
			t.Errorf("announced %v, want %s and %s once each", announced, first, last)
		}
	})
}

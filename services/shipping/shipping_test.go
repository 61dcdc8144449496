package shipping

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/services/contracts"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// TestARecordThatComesTwiceShipsOnce: delivery is at least once.
func TestARecordThatComesTwiceShipsOnce(t *testing.T) {
	storetest.Each(t, "shipping", func(t *testing.T, e *runtime.Env) {
		broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, contracts.TopicShipmentsCreated))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(broker.Close)
		e.Kafka = broker.ListenAddrs()
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
		ship("o1", "eu")
		ship("o1", "eu")
		if err := s.ship(t.Context(), &kgo.Record{Value: []byte("no JSON")}); err != nil {
			t.Errorf("an unreadable record would come back for ever: %v", err)
		}
		ship("o2", "atlantis")

		cl, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ConsumeTopics(contracts.TopicShipmentsCreated))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var announced []string
		for len(announced) < 2 || announced[len(announced)-1] != "o2" {
			fetches := cl.PollRecords(ctx, 10)
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			for _, r := range fetches.Records() {
				var m pb.ShipmentCreated
				if err := protojson.Unmarshal(r.Value, &m); err != nil || m.GetCarrier() == "" {
					t.Fatalf("%s: %v", r.Value, err)
				}
				announced = append(announced, m.GetOrderId())
			}
		}
		if len(announced) != 2 {
			t.Errorf("announced %v", announced)
		}
	})
}

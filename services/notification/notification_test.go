package notification

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

type directory struct {
	pb.IdentityClient
	err error
}

func (d *directory) GetUser(_ context.Context, req *pb.GetUserRequest, _ ...grpc.CallOption) (*pb.User, error) {
	return &pb.User{Id: req.GetUserId(), Name: "Ada Okafor", Email: "ada@shop.example"}, d.err
}

func TestNotify(t *testing.T) {
	storetest.Each(t, "notification", func(t *testing.T, e *runtime.Env) {
		store, err := e.OpenStore(t.Context(), migrations)
		if err != nil {
			t.Fatal(err)
		}
		users := &directory{}
		s := &server{store: store, identity: users}
		value, err := protojson.Marshal(&pb.ShipmentCreated{ShipmentId: "s1", OrderId: "o1", UserId: "user-001", Carrier: "Kontor Post"})
		if err != nil {
			t.Fatal(err)
		}
		sent := func() (n int) {
			t.Helper()
			if err := store.QueryRow(t.Context(), "SELECT COUNT(*) FROM messages").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, c := range []struct {
			why   string
			users error
			value []byte
			again bool // the event has to come again
			sent  int
		}{
			{"identity is down: later", status.Error(codes.Unavailable, "down"), value, true, 0},
			{"the customer is gone: never", status.Error(codes.NotFound, "no user"), value, false, 0},
			{"unreadable: never", nil, []byte("{"), false, 0},
			{"sent", nil, value, false, 1},
			{"it comes twice and is sent once", nil, value, false, 1},
		} {
			users.err = c.users
			err := s.notify(t.Context(), runtime.Event{Value: c.value})
			if again := err != nil && !runtime.IsUnprocessable(err); again != c.again {
				t.Errorf("%s: %v", c.why, err)
			}
			if dead := string(c.value) == "{"; runtime.IsUnprocessable(err) != dead {
				t.Errorf("%s: a dead letter: %v, want %v", c.why, !dead, dead)
			}
			if n := sent(); n != c.sent {
				t.Errorf("%s: %d messages", c.why, n)
			}
		}
	})
}

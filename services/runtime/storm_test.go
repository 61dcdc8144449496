package runtime

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/middleware/mwtest"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
	"github.com/tenhop/tenhop/services/faults"
)

// halfAvailable fails for each second request.
type halfAvailable struct {
	pb.UnimplementedPaymentServer
	requests atomic.Int64
}

func (h *halfAvailable) Charge(context.Context, *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	if h.requests.Add(1)%2 == 0 {
		return nil, status.Error(codes.Unavailable, "no capacity")
	}
	return &pb.ChargeResponse{}, nil
}

// TestRetryStorm prints what a dependency that fails for half of its requests gets to do, from
// a service with the budget and from one without it, which is the fault retry_storm.
func TestRetryStorm(t *testing.T) {
	const calls, callers = 500, 20
	fmt.Println("| retries | requests of the dependency, per call | calls that fail |\n|---|---|---|")
	for _, c := range []struct {
		name   string
		factor float64 // of the fault; 0 for none
		least  float64
		most   float64
	}{
		{"within the budget", 0, 1, 1.2},
		{"without it: retry_storm, factor 1.1", 1.1, 1.9, 2.6},
		{"without it: retry_storm, factor 5", 5, 8, 12},
	} {
		payment := &halfAvailable{}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv := grpc.NewServer()
		pb.RegisterPaymentServer(srv, payment)
		go func() { _ = srv.Serve(l) }()

		r, err := ParseResolver("payment="+l.Addr().String(), "")
		if err != nil {
			t.Fatal(err)
		}
		e := &Env{Name: "order", Telemetry: mwtest.New(t).Telemetry, Config: Config{Resolver: r}, Chaos: chaos.New(chaos.WithKinds(faults.RetryStorm))}
		conn, err := e.Dial("payment")
		if err != nil {
			t.Fatal(err)
		}
		if c.factor > 0 {
			if _, err := e.Chaos.Inject(chaos.Fault{Kind: faults.RetryStorm.Name, Factor: c.factor}); err != nil {
				t.Fatal(err)
			}
		}
		var failures atomic.Int64
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for range calls / callers {
					if _, err := pb.NewPaymentClient(conn).Charge(t.Context(), &pb.ChargeRequest{}); err != nil {
						failures.Add(1)
					}
				}
			})
		}
		wg.Wait()
		got := float64(payment.requests.Load()) / calls
		fmt.Printf("| %s | %.2f | %.0f %% |\n", c.name, got, 100*float64(failures.Load())/calls)
		if got < c.least || got > c.most {
			t.Errorf("%s: %.2f requests per call, want %v to %v", c.name, got, c.least, c.most)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		srv.Stop()
	}
}

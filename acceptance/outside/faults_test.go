//go:build linux

package outside

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// fault is a fault from outside, and the answer that is right.
type fault struct {
	name   string
	hop    string   // service that carries the fault, "" if none does
	also   []string // other services or dependencies whose name is right too
	causes []string // kinds of cause that are right, nil if the cause is not checked
	kinds  []string // kinds of finding that are right, nil if any is

	instance string // process that carries the fault, if one of several does
	control  bool   // nothing may be named
	faint    bool   // few customers feel it; it may take longer than 25 s
	lasting  time.Duration

	// inject begins the fault and returns a function that ends it.
	inject func(context.Context, *shop) (func(), error)
}

// Services by what they have. Every one of them serves each checkout.
var (
	callees  = []string{"identity", "catalog", "cart", "checkout", "pricing", "loyalty", "inventory", "order", "payment", "fraud"}
	stored   = []string{"inventory", "order", "payment", "loyalty"}
	stateful = []string{"inventory", "order", "fraud", "loyalty", "pricing"}
)

// faults returns the faults of one run, on hops and with amounts that rng chooses.
func faults(rng *rand.Rand) []fault {
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	share := func(low, high int) int { return low + rng.IntN(high-low+1) }
	operation := map[string]string{"payment": "tenhop.v1.Payment/Charge", "pricing": "tenhop.v1.Pricing/Quote", "order": "tenhop.v1.Order/CreateOrder",
		"inventory": "tenhop.v1.Inventory/Reserve", "fraud": "POST /check", "loyalty": "GET /points/{user}"}
	served := []string{"payment", "pricing", "order", "inventory", "fraud", "loyalty"}
	var out []fault

	for range 2 {
		hop, held := pick(stored), time.Duration(share(300, 450))*time.Millisecond
		out = append(out, fault{name: fmt.Sprintf("store locked %s of 600 ms", held), hop: hop, causes: []string{"db_lock", "lock"},
			inject: func(ctx context.Context, s *shop) (func(), error) {
				return s.lockStore(ctx, hop, held, 600*time.Millisecond-held)
			}})
	}
	for range 2 {
		hop, stopped := pick(callees), time.Duration(share(250, 400))*time.Millisecond
		out = append(out, fault{name: fmt.Sprintf("stopped %s of 800 ms", stopped), hop: hop, causes: []string{"frozen"},
			inject: func(ctx context.Context, s *shop) (func(), error) {
				return s.stopAtTimes(ctx, hop, stopped, 800*time.Millisecond-stopped)
			}})
	}
	hung := pick(callees)
	out = append(out, fault{name: "stopped for 30 s", hop: hung, causes: []string{"frozen"}, lasting: 30 * time.Second,
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.stopAtTimes(ctx, hung, time.Hour, 0) }})
	killed, every := pick(stateful), time.Duration(share(6, 9))*time.Second
	out = append(out, fault{name: fmt.Sprintf("killed every %s", every), hop: killed, causes: []string{"restart"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.killAtTimes(ctx, killed, every) }})
	for range 2 {
		hop, quota := pick([]string{"pricing", "inventory", "catalog", "order"}), share(8, 16)
		out = append(out, fault{name: fmt.Sprintf("CPU quota %.1f %%", float64(quota)/10), hop: hop, causes: []string{"throttled"},
			inject: func(_ context.Context, s *shop) (func(), error) { return s.quota(hop, quota) }})
	}
	collected := pick([]string{"catalog", "pricing", "order"})
	out = append(out, fault{name: "garbage collections forced", hop: collected, causes: []string{"gc"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.collect(ctx, collected) }})
	one := fmt.Sprintf("payment-%d", 1+rng.IntN(replicas))
	out = append(out, fault{name: "one of three stopped 400 of 800 ms", hop: "payment", instance: one, causes: []string{"frozen"},
		inject: func(ctx context.Context, s *shop) (func(), error) {
			return s.stopAtTimes(ctx, one, 400*time.Millisecond, 400*time.Millisecond)
		}})
	out = append(out, fault{name: "killed for memory", hop: "catalog", causes: []string{"memory", "restart"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.memoryLimit(ctx, "catalog") }})
	out = append(out, fault{name: "broker process stopped for 20 s", also: []string{"redis", "kafka", "cart", "carts", "shipping", "notification"}, lasting: 20 * time.Second,
		causes: []string{"dependency", "frozen"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.stopAtTimes(ctx, "broker", time.Hour, 0) }})
	out = append(out, fault{name: "Redis busy with long commands", hop: "cart", also: []string{"carts", "redis"}, causes: []string{"dependency", "saturation"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.busyRedis(ctx) }})

	hop, added := pick(served), time.Duration(share(600, 1000))*time.Millisecond
	out = append(out, fault{name: fmt.Sprintf("5 %% of requests +%s", added), hop: hop,
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.delay(ctx, hop, operation[hop], added, 5) }})
	rare := pick(served)
	out = append(out, fault{name: "1 % of requests +2s", hop: rare, faint: true,
		inject: func(ctx context.Context, s *shop) (func(), error) {
			return s.delay(ctx, rare, operation[rare], 2*time.Second, 1)
		}})
	flapping := pick(served)
	out = append(out, fault{name: "300 ms, 5 s on and 10 s off", hop: flapping, faint: true,
		inject: func(ctx context.Context, s *shop) (func(), error) {
			return s.flap(ctx, flapping, operation[flapping], 300*time.Millisecond, 5*time.Second, 10*time.Second)
		}})
	out = append(out, fault{name: "checkouts with carts of 30 to 90 products", kinds: []string{"mix"},
		inject: func(ctx context.Context, s *shop) (func(), error) { return s.largeCarts(ctx) }})

	out = append(out,
		fault{name: "control: nothing", control: true, inject: func(context.Context, *shop) (func(), error) { return func() {}, nil }},
		fault{name: "control: traffic doubled", control: true, inject: func(ctx context.Context, s *shop) (func(), error) { return s.traffic(ctx, 20) }},
		fault{name: "control: two busy processes on the machine", control: true, inject: func(ctx context.Context, _ *shop) (func(), error) { return hogs(ctx, 2) }},
	)
	return out
}

package chaos

import (
	"context"
	"hash/maphash"
	"time"
)

// cpuKind keeps a processor busy during each request.
var cpuKind = kind{
	Kind: Kind{
		Name: "cpu", Does: "Requests keep a processor busy for latency.",
		Symptom: "The hop's self time and its processor time rise; the time that goroutines wait for a processor rises with the load.",
		Cause:   "cpu", Fields: append([]string{"latency"}, ofRequests...),
		Example: Fault{Kind: "cpu", Latency: Duration(50 * time.Millisecond)},
	},
	check: bounded(10 * time.Second),
	request: func(ctx context.Context, a active, _ func() float64) error {
		var block [4096]byte
		seed := maphash.MakeSeed()
		for began := time.Now(); time.Since(began) < time.Duration(a.Latency) && ctx.Err() == nil; {
			block[0] = byte(maphash.Bytes(seed, block[:]))
		}
		return ctx.Err()
	},
}

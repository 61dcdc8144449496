package pgxmw

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestRacingConnections knows of both databases of a tracer whose first two connections begin
// at the same time.
func TestRacingConnections(t *testing.T) {
	for round := range 20_000 {
		var tracer QueryTracer
		var ready atomic.Int32
		var connected sync.WaitGroup
		for _, name := range []string{"orders", "others"} {
			cfg := &pgx.ConnConfig{Config: pgconn.Config{Host: "pg", Database: name}}
			connected.Go(func() {
				for ready.Add(1); ready.Load() < 2; {
					runtime.Gosched()
				}
				tracer.locate(cfg)
			})
		}
		connected.Wait()
		if at := tracer.located.Load(); !at.several || len(at.attributes) > 0 {
			t.Fatalf("round %d: all statements are at %+v", round, at.Location)
		}
	}
}

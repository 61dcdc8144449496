package chaos

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Store is the database of the service, for the faults that exhaust, lock or slow it.
type Store struct {
	// Name is the dependency that the service's statements pass to ApplyCall.
	Name string

	// DB is the service's pool. Its connections are taken with sql.DB.Conn.
	DB *sql.DB

	// Lock takes a lock that the service's writers need, on a connection that no
	// telemetry reports, and returns a function that releases it.
	Lock func(context.Context) (release func(), err error)

	// Work makes the database work for some milliseconds, such as on a join without an
	// index, on a connection that no telemetry reports.
	Work func(context.Context) error
}

// SetStore sets the store of the faults pool, store_lock and slow_query, which are refused
// without. A nil Injector does nothing.
func (i *Injector) SetStore(s Store) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.store = s
}

// holdPeriod is the time from one hold of a resource to the next.
const holdPeriod = time.Second

// hold takes a resource for held of each period until ctx is done. take reports false if
// it could not.
func hold(ctx context.Context, held time.Duration, take func(context.Context) (release func(), err error)) {
	for {
		release, err := take(ctx)
		if err != nil {
			release = func() {}
		}
		ok := sleep(ctx, held)
		release()
		if !ok || !sleep(ctx, max(holdPeriod-held, time.Millisecond)) {
			return
		}
	}
}

// poolKind takes the connections of the service's pool.
var poolKind = kind{
	Kind: Kind{
		Name: "pool", Does: "All connections of the service's pool are taken for latency of each second.",
		Symptom: "The wait for a connection grows, the statements themselves take as long as before.",
		Cause:   "pool", Fields: []string{"latency"}, Process: true,
		Example: Fault{Kind: "pool", Latency: Duration(700 * time.Millisecond)},
	},
	check: bounded(holdPeriod),
	process: func(ctx context.Context, i *Injector, f Fault) error {
		db := i.store.DB
		if db == nil || db.Stats().MaxOpenConnections == 0 {
			return errors.New("the service has no pool with a limit")
		}
		go hold(ctx, time.Duration(f.Latency), func(ctx context.Context) (func(), error) {
			var taken []*sql.Conn
			release := func() {
				for _, c := range taken {
					_ = c.Close() // gives it back
				}
			}
			for range db.Stats().MaxOpenConnections {
				c, err := db.Conn(ctx)
				if err != nil {
					release()
					return nil, err
				}
				taken = append(taken, c)
			}
			return release, nil
		})
		return nil
	},
}

// storeLockKind holds a lock of the service's store.
var storeLockKind = kind{
	Kind: Kind{
		Name: "store_lock", Does: "Another connection holds the store's write lock for latency of each second.",
		Symptom: "Statements that write wait for the store, those that read do not; processor time does not change.",
		Cause:   "db_lock", Fields: []string{"latency"}, Process: true,
		Example: Fault{Kind: "store_lock", Latency: Duration(600 * time.Millisecond)},
	},
	check: bounded(holdPeriod),
	process: func(ctx context.Context, i *Injector, f Fault) error {
		lock := i.store.Lock
		if lock == nil {
			return errors.New("the service has no store that can be locked")
		}
		go hold(ctx, time.Duration(f.Latency), lock)
		return nil
	},
}

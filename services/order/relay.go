package order

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/services/runtime"
)

// relay publishes the rows of the outbox, oldest first, and deletes each after the
// broker has acknowledged it. Delivery is at least once, so consumers are
// idempotent. An instance claims a row before it sends it, so that only one does.
type relay struct {
	store     *runtime.Store
	events    runtime.Publisher
	telemetry *hop.Telemetry
	wake      chan struct{}
}

// poke wakes the relay after a row was committed.
func (r *relay) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// claim is the time for which an instance has exclusive use of a row. If the instance
// dies, another one sends the row afterwards.
const claim = 30 * time.Second

// sweep is the interval at which the relay reads the outbox without a poke, for
// rows left from a restart or a broker outage.
const sweep = time.Second

func (r *relay) run(ctx context.Context) error {
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	var said time.Time
	for {
		if err := r.publish(ctx); err != nil && ctx.Err() == nil && time.Since(said) > time.Minute {
			said = time.Now()
			r.telemetry.Zerolog().Warn().Err(err).Msg("events stay in the outbox for now")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wake:
		case <-tick.C:
		}
	}
}

type row struct {
	id, topic, key, value, context string
	committed                      time.Time
}

func (r *relay) publish(ctx context.Context) error {
	for {
		batch, err := r.next(ctx)
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, it := range batch {
			if err := r.send(ctx, it); err != nil {
				return err
			}
		}
	}
}

func (r *relay) next(ctx context.Context) ([]row, error) {
	rows, err := r.store.Query(ctx, "SELECT id, topic, record_key, value, context, committed_unix_us FROM outbox "+
		"WHERE refused = '' AND claimed_until_unix_us < ? ORDER BY committed_unix_us, id LIMIT 100", time.Now().UnixMicro())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var batch []row
	for rows.Next() {
		var it row
		var us int64
		if err := rows.Scan(&it.id, &it.topic, &it.key, &it.value, &it.context, &us); err != nil {
			return nil, err
		}
		it.committed = time.UnixMicro(us)
		batch = append(batch, it)
	}
	return batch, rows.Err()
}

func (r *relay) send(ctx context.Context, it row) error {
	if ours, err := r.claim(ctx, it); !ours || err != nil {
		return err
	}
	var snapshot map[string]string
	if err := json.Unmarshal([]byte(it.context), &snapshot); err != nil {
		r.telemetry.Zerolog().Warn().Err(err).Str("outbox_id", it.id).Msg("a row's context is unreadable; publishing without it")
	}
	rctx := hop.Restore(ctx, snapshot)
	waited := time.Since(it.committed)
	err := r.events.Publish(rctx, runtime.Event{Topic: it.topic, Key: it.key, Value: []byte(it.value)})
	if runtime.Refused(err) {
		return r.refuse(ctx, it, err)
	}
	if err != nil {
		_, errBack := r.store.Exec(context.WithoutCancel(ctx), "UPDATE outbox SET claimed_until_unix_us = 0 WHERE id = ?", it.id)
		return errors.Join(err, errBack)
	}
	r.telemetry.QueueWait(rctx, "publish "+it.topic, waited)
	_, err = r.store.Exec(ctx, "DELETE FROM outbox WHERE id = ?", it.id)
	return err
}

// claim reports whether this instance may send the row.
func (r *relay) claim(ctx context.Context, it row) (bool, error) {
	now := time.Now()
	res, err := r.store.Exec(ctx, "UPDATE outbox SET claimed_until_unix_us = ? WHERE id = ? AND claimed_until_unix_us < ?",
		now.Add(claim).UnixMicro(), it.id, now.UnixMicro())
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// refuse marks a row as refused, with the reason, so that it does not block the
// rows behind it. It stays in the table for inspection.
func (r *relay) refuse(ctx context.Context, it row, why error) error {
	r.telemetry.Zerolog().Error().Err(why).Str("outbox_id", it.id).Str("topic", it.topic).
		Msg("the broker refuses an event for good; it stays in the outbox, marked as refused")
	_, err := r.store.Exec(ctx, "UPDATE outbox SET refused = ? WHERE id = ?", why.Error(), it.id)
	return err
}

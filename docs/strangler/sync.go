package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkamw"
)

// change is a record of the topic: one reservation, with its number at its side.
type change struct {
	Side  string `json:"side"`
	Seq   int64  `json:"seq"`
	Item  string `json:"item"`
	Order string `json:"order"`
}

// position is the response to GET /sync: the last change that a side wrote, and the last
// one of the other side that it applied.
type position struct {
	Written int64            `json:"written"`
	Applied map[string]int64 `json:"applied"`
}

// relay publishes the outbox in its order.
func (s *stock) relay(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_ = s.publish(ctx) // what was not published is tried again
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.wake:
		case <-tick.C:
		}
	}
}

type outboxRow struct {
	change
	context string
}

func (s *stock) publish(ctx context.Context) error {
	for {
		batch, err := s.unsent(ctx)
		if err != nil || len(batch) == 0 {
			return err
		}
		for _, row := range batch {
			value, err := json.Marshal(row.change)
			if err != nil {
				return err
			}
			var carried map[string]string
			if err := json.Unmarshal([]byte(row.context), &carried); err != nil {
				return err
			}
			// The record belongs to the request that wrote the row. One partition keeps
			// the changes of a side in order.
			record := &kgo.Record{Topic: s.topic, Key: []byte(s.side), Value: value}
			if err := kafkamw.Produce(hop.Restore(ctx, carried), s.kafka, record); err != nil {
				return err
			}
			if _, err := s.db.ExecContext(ctx, "UPDATE outbox SET sent = 1 WHERE seq = ?", row.Seq); err != nil {
				return err
			}
		}
	}
}

func (s *stock) unsent(ctx context.Context) (batch []outboxRow, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT seq, item, order_id, context FROM outbox WHERE sent = 0 ORDER BY seq LIMIT 100")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		row := outboxRow{change: change{Side: s.side}}
		if err := rows.Scan(&row.Seq, &row.Item, &row.Order, &row.context); err != nil {
			return nil, err
		}
		batch = append(batch, row)
	}
	return batch, rows.Err()
}

// consume applies the changes of the other side, each until it succeeds.
func (s *stock) consume(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := s.kafka.PollFetches(ctx)
		for iter := fetches.RecordIter(); !iter.Done() && ctx.Err() == nil; {
			r := iter.Next()
			if string(r.Key) == s.side {
				continue
			}
			for s.apply(ctx, r) != nil && ctx.Err() == nil {
				time.Sleep(50 * time.Millisecond)
			}
		}
		if ctx.Err() == nil {
			_ = s.kafka.CommitUncommittedOffsets(ctx) // else records come again, and are applied once
		}
	}
	return ctx.Err()
}

func (s *stock) applyRecord(ctx context.Context, r *kgo.Record) error {
	var c change
	if err := json.Unmarshal(r.Value, &c); err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no effect after a commit
	_, err = tx.ExecContext(ctx, "INSERT INTO reservations (order_id, item) VALUES (?, ?) ON CONFLICT (order_id) DO NOTHING", c.Order, c.Item)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO applied (side, seq) VALUES (?, ?) ON CONFLICT (side) DO UPDATE SET seq = MAX(seq, excluded.seq)", c.Side, c.Seq)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// serveSync answers with the position. The gateway waits for it when it moves the flag.
func (s *stock) serveSync(w http.ResponseWriter, r *http.Request) {
	p, err := s.position(r.Context())
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode(p) // the caller is gone when it fails
}

func (s *stock) position(ctx context.Context) (p position, err error) {
	if err := s.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(seq), 0) FROM outbox").Scan(&p.Written); err != nil {
		return p, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT side, seq FROM applied")
	if err != nil {
		return p, err
	}
	defer rows.Close()
	p.Applied = map[string]int64{}
	for rows.Next() {
		var side string
		var seq int64
		if err := rows.Scan(&side, &seq); err != nil {
			return p, err
		}
		p.Applied[side] = seq
	}
	return p, errors.Join(rows.Err())
}

package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	_ "modernc.org/sqlite" // the driver

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/kafkamw"
	"github.com/tenhop/tenhop/middleware/sqlmw"
)

// stock is the module that leaves the monolith. It runs in the shop's process, on the
// shop's database, and in a process of its own, on its own.
type stock struct {
	side    string // shop or stock
	topic   string
	stocked int
	db      *sqlmw.DB
	kafka   *kgo.Client
	wake    chan struct{}
	apply   kafkamw.RecordFunc
}

var errSoldOut = errors.New("sold out")

const schema = `
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, item TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reservations (order_id TEXT PRIMARY KEY, item TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS reservations_item ON reservations (item);
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, item TEXT NOT NULL, context TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS applied (side TEXT PRIMARY KEY, seq INTEGER NOT NULL);`

func openStock(ctx context.Context, p part, telemetry *hop.Telemetry) (*stock, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(5000)", "journal_mode(WAL)"}}
	db, err := sqlmw.Open("sqlite", "file:"+p.database+"?"+q.Encode(), p.name+"-db", sqlmw.WithTelemetry(telemetry), sqlmw.WithSystem("sqlite"))
	if err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	kafka, err := kgo.NewClient(append(kafkamw.ClientOptions(kafkamw.WithTelemetry(telemetry)), kgo.SeedBrokers(p.kafka), kgo.AllowAutoTopicCreation(),
		kgo.ConsumerGroup(p.name+"-of-"+p.topic), kgo.ConsumeTopics(p.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.MetadataMinAge(250*time.Millisecond), kgo.MetadataMaxAge(5*time.Second))...) // the topic may be new
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &stock{side: p.name, topic: p.topic, stocked: p.stocked, db: db, kafka: kafka, wake: make(chan struct{}, 1)}
	s.apply = kafkamw.Handler(s.applyRecord, kafkamw.WithTelemetry(telemetry), kafkamw.WithConsumerGroup(p.name))
	return s, nil
}

func (s *stock) close() {
	s.kafka.Close()
	_ = s.db.Close() // all transactions have ended
}

// reserve takes one piece of an item for an order, once. It records the change in the
// same transaction.
func (s *stock) reserve(ctx context.Context, item, order string) (left int, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // no effect after a commit
	if left, err = s.leftIn(ctx, tx, item); err != nil {
		return 0, err
	}
	var have int
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM reservations WHERE order_id = ?", order).Scan(&have); err != nil || have > 0 {
		return left, err
	}
	if left <= 0 {
		return 0, errSoldOut
	}
	carried, err := json.Marshal(hop.Snapshot(ctx))
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO reservations (order_id, item) VALUES (?, ?)", order, item); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO outbox (order_id, item, context) VALUES (?, ?, ?)", order, item, string(carried)); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return left - 1, nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (s *stock) leftIn(ctx context.Context, q querier, item string) (int, error) {
	var taken int
	err := q.QueryRowContext(ctx, "SELECT COUNT(*) FROM reservations WHERE item = ?", item).Scan(&taken)
	return s.stocked - taken, err
}

func (s *stock) serveLeft(w http.ResponseWriter, r *http.Request) {
	left, err := s.leftIn(r.Context(), s.db, r.PathValue("item"))
	answer(w, r.PathValue("item"), left, err)
}

func (s *stock) serveReserve(w http.ResponseWriter, r *http.Request) {
	left, err := s.reserve(r.Context(), r.PathValue("item"), r.PathValue("order"))
	answer(w, r.PathValue("item"), left, err)
}

type level struct {
	Item string `json:"item"`
	Left int    `json:"left"`
}

func answer(w http.ResponseWriter, item string, left int, err error) {
	switch {
	case errors.Is(err, errSoldOut):
		http.Error(w, "sold out", http.StatusConflict)
	case err != nil:
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(level{Item: item, Left: left}) // the caller is gone when it fails
	}
}

func decodeLeft(r io.Reader) (int, error) {
	var l level
	err := json.NewDecoder(io.LimitReader(r, 64<<10)).Decode(&l)
	return l.Left, err
}

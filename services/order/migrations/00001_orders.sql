-- +goose Up
CREATE TABLE orders (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	charge_id TEXT NOT NULL,
	total BIGINT NOT NULL,
	created_unix_ms BIGINT NOT NULL,
	items TEXT NOT NULL
);
CREATE INDEX orders_user ON orders (user_id, created_unix_ms);
CREATE TABLE outbox (
	id TEXT PRIMARY KEY,
	topic TEXT NOT NULL,
	record_key TEXT NOT NULL,
	value TEXT NOT NULL,
	context TEXT NOT NULL,
	committed_unix_us BIGINT NOT NULL
);
CREATE INDEX outbox_order ON outbox (committed_unix_us);
-- +goose Down
DROP TABLE outbox;
DROP TABLE orders;

-- +goose Up
CREATE TABLE sagas (
	order_id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	idempotency_key TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL,
	result TEXT NOT NULL,
	updated_unix_ms BIGINT NOT NULL
);
CREATE INDEX sagas_state ON sagas (state, updated_unix_ms);
-- +goose Down
DROP TABLE sagas;

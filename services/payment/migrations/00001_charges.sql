-- +goose Up
CREATE TABLE charges (
	id TEXT PRIMARY KEY,
	idempotency_key TEXT NOT NULL UNIQUE,
	user_id TEXT NOT NULL,
	method TEXT NOT NULL,
	amount BIGINT NOT NULL,
	state TEXT NOT NULL,
	created_unix_ms BIGINT NOT NULL
);
-- +goose Down
DROP TABLE charges;

-- +goose Up
CREATE TABLE sagas_per_user (
	order_id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	idempotency_key TEXT NOT NULL,
	payment_method TEXT NOT NULL,
	items TEXT NOT NULL,
	state TEXT NOT NULL,
	result TEXT NOT NULL,
	updated_unix_ms BIGINT NOT NULL,
	UNIQUE (user_id, idempotency_key)
);
INSERT INTO sagas_per_user (order_id, user_id, idempotency_key, payment_method, items, state, result, updated_unix_ms)
	SELECT order_id, user_id, idempotency_key, '', '', state, result, updated_unix_ms FROM sagas;
DROP TABLE sagas;
ALTER TABLE sagas_per_user RENAME TO sagas;
CREATE INDEX sagas_state ON sagas (state, updated_unix_ms);
-- +goose Down
CREATE TABLE sagas_of_all (
	order_id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	idempotency_key TEXT NOT NULL UNIQUE,
	state TEXT NOT NULL,
	result TEXT NOT NULL,
	updated_unix_ms BIGINT NOT NULL
);
INSERT INTO sagas_of_all (order_id, user_id, idempotency_key, state, result, updated_unix_ms)
	SELECT order_id, user_id, idempotency_key, state, result, updated_unix_ms FROM sagas
	WHERE true ON CONFLICT DO NOTHING;
DROP TABLE sagas;
ALTER TABLE sagas_of_all RENAME TO sagas;
CREATE INDEX sagas_state ON sagas (state, updated_unix_ms);

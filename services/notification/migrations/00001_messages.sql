-- +goose Up
CREATE TABLE messages (
	shipment_id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	recipient TEXT NOT NULL,
	body TEXT NOT NULL,
	sent_unix_ms BIGINT NOT NULL
);
-- +goose Down
DROP TABLE messages;

-- +goose Up
CREATE TABLE cards (
	token TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	last_four TEXT NOT NULL,
	created_unix_ms BIGINT NOT NULL
);
ALTER TABLE charges ADD COLUMN card_token TEXT NOT NULL DEFAULT '';
-- +goose Down
ALTER TABLE charges DROP COLUMN card_token;
DROP TABLE cards;

-- +goose Up
CREATE TABLE users (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	email TEXT NOT NULL,
	tier TEXT NOT NULL,
	region TEXT NOT NULL,
	api_key TEXT NOT NULL UNIQUE
);
CREATE TABLE sessions (
	token TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	expires_unix BIGINT NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_unix);
-- +goose Down
DROP TABLE sessions;
DROP TABLE users;

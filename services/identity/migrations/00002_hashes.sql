-- +goose Up
-- SQL cannot compute the hashes. The demo users are seeded again; customers sign in again.
DELETE FROM sessions;
DELETE FROM users;
ALTER TABLE users RENAME COLUMN api_key TO api_key_hash;
ALTER TABLE sessions RENAME COLUMN token TO token_hash;
CREATE INDEX sessions_user ON sessions (user_id, expires_unix);
-- +goose Down
DROP INDEX sessions_user;
DELETE FROM sessions;
DELETE FROM users;
ALTER TABLE sessions RENAME COLUMN token_hash TO token;
ALTER TABLE users RENAME COLUMN api_key_hash TO api_key;

-- +goose Up
-- Until when one instance's relay has an event to itself, microseconds since 1970.
ALTER TABLE outbox ADD COLUMN claimed_until_unix_us BIGINT NOT NULL DEFAULT 0;
-- +goose Down
ALTER TABLE outbox DROP COLUMN claimed_until_unix_us;

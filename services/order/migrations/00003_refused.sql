-- +goose Up
-- Why the broker will never take an event; empty for one that waits its turn.
ALTER TABLE outbox ADD COLUMN refused TEXT NOT NULL DEFAULT '';
-- +goose Down
ALTER TABLE outbox DROP COLUMN refused;

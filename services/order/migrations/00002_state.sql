-- +goose Up
-- A cancelled order is a row, too: it keeps a late CreateOrder from placing it.
ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT 'placed';
-- +goose Down
ALTER TABLE orders DROP COLUMN state;

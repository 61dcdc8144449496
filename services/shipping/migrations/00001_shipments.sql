-- +goose Up
CREATE TABLE shipments (
	id TEXT PRIMARY KEY,
	order_id TEXT NOT NULL UNIQUE,
	user_id TEXT NOT NULL,
	region TEXT NOT NULL,
	carrier TEXT NOT NULL,
	announced BIGINT NOT NULL
);
-- +goose Down
DROP TABLE shipments;

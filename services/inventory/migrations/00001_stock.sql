-- +goose Up
CREATE TABLE reservations (
	id TEXT NOT NULL,
	product_id TEXT NOT NULL,
	quantity BIGINT NOT NULL,
	state TEXT NOT NULL,
	PRIMARY KEY (id, product_id)
);
CREATE TABLE stock (
	product_id TEXT PRIMARY KEY,
	available BIGINT NOT NULL
);
-- +goose Down
DROP TABLE stock;
DROP TABLE reservations;

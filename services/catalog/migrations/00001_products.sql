-- +goose Up
CREATE TABLE products (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	category TEXT NOT NULL,
	description TEXT NOT NULL,
	price BIGINT NOT NULL
);
CREATE INDEX products_category ON products (category, id);
-- +goose Down
DROP TABLE products;

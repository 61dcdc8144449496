-- +goose Up
CREATE TABLE points (
	user_id TEXT PRIMARY KEY,
	points BIGINT NOT NULL
);
-- +goose Down
DROP TABLE points;

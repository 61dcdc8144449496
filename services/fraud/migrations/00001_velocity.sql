-- +goose Up
CREATE TABLE rules (
	method TEXT PRIMARY KEY,
	max_amount BIGINT NOT NULL,
	max_per_minute BIGINT NOT NULL
);
INSERT INTO rules (method, max_amount, max_per_minute) VALUES
	('card', 5000000, 600), ('wallet', 5000000, 600), ('invoice', 5000000, 600);
CREATE TABLE velocity (
	user_id TEXT NOT NULL,
	minute BIGINT NOT NULL,
	n BIGINT NOT NULL,
	PRIMARY KEY (user_id, minute)
);
-- +goose Down
DROP TABLE velocity;
DROP TABLE rules;

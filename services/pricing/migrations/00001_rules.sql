-- +goose Up
CREATE TABLE price_rules (
	tier TEXT NOT NULL,
	region TEXT NOT NULL,
	discount_percent BIGINT NOT NULL,
	tax_percent BIGINT NOT NULL,
	PRIMARY KEY (tier, region)
);
INSERT INTO price_rules (tier, region, discount_percent, tax_percent) VALUES
	('standard', 'eu', 0, 20), ('standard', 'us', 0, 8), ('standard', 'apac', 0, 10),
	('silver', 'eu', 3, 20), ('silver', 'us', 3, 8), ('silver', 'apac', 3, 10),
	('gold', 'eu', 7, 20), ('gold', 'us', 7, 8), ('gold', 'apac', 7, 10);
-- +goose Down
DROP TABLE price_rules;

package pgxmw_test

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tenhop/tenhop/middleware/pgxmw"
)

func ExampleTracer() {
	cfg, err := pgxpool.ParseConfig("postgres://order@db:5432/order")
	if err != nil {
		panic(err)
	}
	cfg.ConnConfig.Tracer = pgxmw.Tracer("orders-db")
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		panic(err)
	}
	defer pool.Close()
}

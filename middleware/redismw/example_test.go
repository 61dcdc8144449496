package redismw_test

import (
	"github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/middleware/redismw"
)

func ExampleInstrument() {
	client := redis.NewClient(&redis.Options{Addr: "redis:6379"})
	defer client.Close()
	if err := redismw.Instrument(client, "carts"); err != nil {
		panic(err)
	}
}

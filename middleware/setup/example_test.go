package setup_test

import (
	"context"

	"github.com/tenhop/tenhop/middleware/setup"
)

func ExampleStart() {
	ctx := context.Background()
	rt, err := setup.Start(ctx, "payment", setup.WithVersion("1.2.3"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = rt.Shutdown(ctx) }()
}

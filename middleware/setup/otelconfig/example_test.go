package otelconfig_test

import (
	"context"

	"github.com/tenhop/tenhop/middleware/setup"
	"github.com/tenhop/tenhop/middleware/setup/otelconfig"
)

// OTEL_CONFIG_FILE is honoured when it is set.
func ExampleLoad() {
	ctx := context.Background()
	rt, err := setup.Start(ctx, "payment", setup.WithConfigFile(otelconfig.Load))
	if err != nil {
		panic(err)
	}
	defer func() { _ = rt.Shutdown(ctx) }()
}

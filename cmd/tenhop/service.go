package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/runtime"
)

func newServiceCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "service NAME",
		Short: "Run one storefront service (compose, Kubernetes)",
		Long: `Run one storefront service until it is told to end. Its configuration is the
environment: TENHOP_LISTEN and TENHOP_ADMIN_LISTEN (host:port), TENHOP_STORE
(sqlite:///path or postgres://...), TENHOP_REDIS, TENHOP_KAFKA,
TENHOP_CHAOS_TOKEN (without it there is no fault endpoint), TENHOP_INSTANCE,
TENHOP_RESOLVE (payment=host:port,host:port;...) or TENHOP_ADDR_PAYMENT or DNS
with TENHOP_DNS_SUFFIX, and the standard OTEL_* variables.

The services: ` + strings.Join(services.Names(), ", ") + ".",
		Example:   "  TENHOP_STORE=sqlite:///tmp/payment.db tenhop service payment",
		ValidArgs: services.Names(),
		Args:      cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(services.Names(), args[0]) {
				return usagef("there is no service %q; the services are %s", args[0], strings.Join(services.Names(), ", "))
			}
			cfg, err := runtime.ConfigFromEnv()
			if err != nil {
				return err
			}
			if cfg.Version == "" {
				cfg.Version = version()
			}
			return services.Run(cmd.Context(), args[0], cfg)
		},
	}
}

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
		Short: "Run one service of the storefront",
		Long: `Run one service of the storefront until SIGTERM or Ctrl-C, for example in Compose
or Kubernetes. It is configured by environment variables:

  TENHOP_LISTEN, TENHOP_ADMIN_LISTEN  host:port to listen on
  TENHOP_STORE                        sqlite:///path or postgres://...
  TENHOP_REDIS, TENHOP_KAFKA          host:port
  TENHOP_SEARCH                       URL of Elasticsearch or OpenSearch, for catalog
  TENHOP_AMQP                         amqp://..., for events over RabbitMQ instead of Kafka
  TENHOP_CHAOS_TOKEN                  token of the fault endpoint; none without it
  TENHOP_INSTANCE                     name of this instance
  TENHOP_RESOLVE                      payment=host:port,host:port;...
  TENHOP_ADDR_PAYMENT                 host:port, instead of TENHOP_RESOLVE
  TENHOP_DNS_SUFFIX                   suffix of DNS names, instead of both
  TENHOP_DISCOVERY                    consul (with CONSUL_HTTP_ADDR), kubernetes or dns:
                                      follow instances that come and go
  TENHOP_INSTRUMENTS                  composed or none, instead of the middleware
  OTEL_*                              as in the OpenTelemetry specification

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

package grpcmw

import (
	"strings"

	"google.golang.org/grpc"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
)

// Orchestrion weaves calls of the functions of this file into grpc-go, as orchestrion.yml
// says. A build without it does not use them.

func orchestrionServerOptions() []grpc.ServerOption {
	return adapter.Woven(hop.Default().Core(), "gRPC servers", func() []grpc.ServerOption { return ServerOptions() })
}

// orchestrionDialOptions names the dependency by the host of the target. Exporters of
// OpenTelemetry are not measured: the span of an export would be exported too.
func orchestrionDialOptions(target string) []grpc.DialOption {
	dependency := hostOf(target)
	if dependency == "" {
		dependency = "unknown"
	}
	exclude := WithExcludeSignals(func(method string) hop.Signals {
		if strings.HasPrefix(method, "/opentelemetry.proto.collector.") {
			return hop.AllSignals
		}
		return excludeDefault(method)
	})
	return adapter.Woven(hop.Default().Core(), "gRPC calls", func() []grpc.DialOption { return DialOptions(dependency, exclude) })
}

var _, _ = orchestrionServerOptions, orchestrionDialOptions // called by woven code only

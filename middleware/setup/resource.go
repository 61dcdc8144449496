package setup

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/tenhop/tenhop/middleware/internal/environ"
)

// newResource returns the resource of all signals. OTEL_RESOURCE_ATTRIBUTES wins over the
// program's attributes, and those over what the detectors find. A detector that fails is
// a warning: the attributes of the others remain.
func newResource(ctx context.Context, service string, c *config) (res *resource.Resource, warning error, err error) {
	all := []attribute.KeyValue{
		attribute.String("service.version", cmp.Or(c.version, buildVersion())),
		attribute.String("service.instance.id", cmp.Or(c.instance, processInstance())),
	}
	if all[0].Value.AsString() == "" {
		all = all[1:]
	}
	if !truth("OTEL_SDK_DISABLED") {
		deployment, err := pairs(getenv("OTEL_RESOURCE_ATTRIBUTES"))
		if err != nil {
			return nil, nil, fmt.Errorf("setup: OTEL_RESOURCE_ATTRIBUTES: %w", err)
		}
		for _, p := range deployment {
			all = append(all, attribute.String(p.key, p.value)) // the last one of a key counts
		}
	}
	all = append(all, attribute.String("service.name", service))
	res, warning = resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithDetectors(c.detectors...), resource.WithAttributes(all...))
	return res, warning, nil
}

// buildVersion returns the version of the program's main module, or "" for a build that
// has none.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return ""
}

// processInstance returns the service.instance.id of a process that was given none: a
// random UUID, as the conventions ask for. Pushed series of two replicas would otherwise
// be the same.
var processInstance = sync.OnceValue(func() string {
	id, err := uuid.NewRandom()
	if err != nil {
		return ""
	}
	return id.String()
})

// ServiceName returns the name that Start gives a service: OTEL_SERVICE_NAME, then
// service.name of OTEL_RESOURCE_ATTRIBUTES, then program.
func ServiceName(program string) string { return environ.ServiceName(program) }

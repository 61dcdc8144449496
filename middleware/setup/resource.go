package setup

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// newResource returns the resource of all signals. The program's attributes are defaults
// for those of OTEL_RESOURCE_ATTRIBUTES.
func newResource(ctx context.Context, service, version, instance string) (*resource.Resource, error) {
	var program []attribute.KeyValue
	if version != "" {
		program = append(program, attribute.String("service.version", version))
	}
	if instance != "" {
		program = append(program, attribute.String("service.instance.id", instance))
	}
	own, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(program...), resource.WithFromEnv(), resource.WithAttributes(attribute.String("service.name", service)))
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("setup: resource: %w (see OTEL_RESOURCE_ATTRIBUTES)", err)
	}
	return own, nil
}

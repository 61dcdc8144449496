// Package otelconfig reads OpenTelemetry's configuration file for setup.Start:
//
//	rt, err := setup.Start(ctx, "payment", setup.WithConfigFile(otelconfig.Load))
//
// The file is that of OTEL_CONFIG_FILE (https://opentelemetry.io/docs/specs/otel/configuration/),
// in YAML. go.opentelemetry.io/contrib/otelconf builds the SDK from it. The package is a
// module of its own because otelconf is not at version 1 and brings a YAML parser.
package otelconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/otelconf"

	"github.com/tenhop/tenhop/middleware/setup"
)

// Load builds the SDK of a configuration file. The name of the service is service.name of
// resource.attributes, else OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES, which otelconf
// reads too. With "disabled: true" the SDK is a no-op, and the propagators stay.
//
// file must be the value of OTEL_CONFIG_FILE, from which otelconf reads it again. Load
// returns an error for a file that it cannot read, for one that is not of the schema and
// for what otelconf would ignore.
func Load(ctx context.Context, file string) (setup.FileSDK, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return setup.FileSDK{}, err
	}
	model, err := otelconf.ParseYAML(text)
	if err != nil {
		return setup.FileSDK{}, fmt.Errorf("not a configuration file of OpenTelemetry: %w", err)
	}
	if r := model.Resource; r != nil && r.AttributesList != nil && *r.AttributesList != "" {
		return setup.FileSDK{}, errors.New("resource.attributes_list is not supported; list resource.attributes")
	}
	sdk, err := otelconf.NewSDK(otelconf.WithContext(ctx), otelconf.WithOpenTelemetryConfiguration(*model))
	if err != nil {
		return setup.FileSDK{}, err
	}
	out := setup.FileSDK{
		ServiceName: serviceName(model), Propagators: propagators(model.Propagator),
		TracerProvider: sdk.TracerProvider(), MeterProvider: sdk.MeterProvider(), Shutdown: sdk.Shutdown,
	}
	if model.LoggerProvider != nil && (model.Disabled == nil || !*model.Disabled) {
		out.LoggerProvider = sdk.LoggerProvider()
	}
	return out, nil
}

func serviceName(model *otelconf.OpenTelemetryConfiguration) string {
	if model.Resource != nil {
		for _, a := range model.Resource.Attributes {
			if name, ok := a.Value.(string); ok && a.Name == "service.name" {
				return name
			}
		}
	}
	return setup.ServiceName("")
}

// propagators returns the names of the file's propagators. Without any, there is none.
func propagators(p *otelconf.Propagator) []string {
	if p == nil {
		return nil
	}
	var names []string
	for _, c := range p.Composite {
		for _, known := range []struct {
			is   bool
			name string
		}{
			{c.Tracecontext != nil, "tracecontext"}, {c.Baggage != nil, "baggage"}, {c.B3 != nil, "b3"},
			{c.B3Multi != nil, "b3multi"}, {c.Jaeger != nil, "jaeger"}, {c.Ottrace != nil, "ottrace"},
		} {
			if known.is {
				names = append(names, known.name)
			}
		}
	}
	if p.CompositeList != nil {
		for name := range strings.SplitSeq(*p.CompositeList, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

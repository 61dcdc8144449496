package setup

import (
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/hop"
)

// propagatorNames checks a list of propagators.
var propagatorNames = listOf("tracecontext", "baggage", "b3", "b3multi", "jaeger", "xray", "none")

// propagators returns the propagator of the names, which were checked, and the one of them
// that carries trace context.
func propagators(names []string) (all, traceContext propagation.TextMapPropagator) {
	var every, carriers []propagation.TextMapPropagator
	for _, name := range names {
		var p propagation.TextMapPropagator
		switch name {
		case "tracecontext":
			p = propagation.TraceContext{}
		case "b3":
			p = b3.New(b3.WithInjectEncoding(b3.B3SingleHeader))
		case "b3multi":
			p = b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader))
		case "jaeger":
			p = hop.Jaeger{}
		case "xray":
			p = xray.Propagator{}
		case "baggage":
			every = append(every, propagation.Baggage{})
			continue
		case "none":
			continue
		}
		every, carriers = append(every, p), append(carriers, p)
	}
	all = propagation.NewCompositeTextMapPropagator(every...)
	if len(carriers) == 1 {
		return all, carriers[0] // the adapters have a faster way for tracecontext alone
	}
	return all, propagation.NewCompositeTextMapPropagator(carriers...)
}

package setup

import (
	"go.opentelemetry.io/contrib/propagators/aws/xray"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/propagation"

	"github.com/tenhop/tenhop/middleware/hop"
)

// propagators returns the propagator of OTEL_PROPAGATORS, and the one of them that
// carries trace context. checkEnvironment has checked the names.
func propagators() (all, traceContext propagation.TextMapPropagator) {
	var every, carriers []propagation.TextMapPropagator
	for _, name := range selected("OTEL_PROPAGATORS", "tracecontext,baggage") {
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

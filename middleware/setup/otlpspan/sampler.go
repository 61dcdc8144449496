package otlpspan

import sdktrace "go.opentelemetry.io/otel/sdk/trace"

// parentBased is the SDK's sampler without options. A Provider knows what it decides for
// a span with a parent.
type parentBased struct{ sdktrace.Sampler }

// ParentBased returns a sampler that decides as sdktrace.ParentBased(root) does.
func ParentBased(root sdktrace.Sampler) sdktrace.Sampler {
	return parentBased{sdktrace.ParentBased(root)}
}

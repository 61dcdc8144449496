package otlpspan

import (
	"context"
	"testing"
)

// A program may ask for a tracer while it shuts down: it has seen that the provider is not
// stopped, and then the SDK's provider gives it spans that do nothing.
func TestTracerDuringShutdown(t *testing.T) {
	p, err := New(Config{Export: func(context.Context, []byte, int) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Shutdown(context.Background()) }()
	if err := p.sdk.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, s := p.Tracer("t").Start(t.Context(), "work")
	s.End()
	if s.IsRecording() {
		t.Error("the span records")
	}
}

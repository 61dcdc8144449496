// Package otlp reads files of traces into the diagnosis's model.
package otlp

import (
	"context"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/internal/spans"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// Stats is what was read.
type Stats = file.Stats

// ReadFile reads a file as package trace/file does and hands its spans to add.
func ReadFile(ctx context.Context, path string, add func(trace string, s diagnose.Span)) (Stats, error) {
	return file.Read(ctx, path, func(id string, s trace.Span) { add(id, spans.FromSpan(s)) })
}

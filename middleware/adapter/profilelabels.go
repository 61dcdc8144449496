package adapter

import (
	"context"
	"runtime/pprof"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
)

// ProfileLabel is the label that a profile's samples have with Config.ProfileLabels. Its
// value is the operation of the hop.
const ProfileLabel = "operation"

// profileLabels holds a context with the label for each operation.
type profileLabels struct {
	contexts sync.Map // operation to context.Context
	size     atomic.Int32
}

// maxLabelled is the maximum number of operations whose contexts are kept.
const maxLabelled = 1024

// of returns a context with the labels of ctx and that of the operation.
func (l *profileLabels) of(ctx context.Context, operation string) context.Context {
	own := false
	pprof.ForLabels(ctx, func(string, string) bool {
		own = true
		return false
	})
	if own {
		return pprof.WithLabels(ctx, pprof.Labels(ProfileLabel, operation))
	}
	if known, ok := l.contexts.Load(operation); ok {
		return known.(context.Context)
	}
	labelled := pprof.WithLabels(context.Background(), pprof.Labels(ProfileLabel, operation))
	if l.size.Load() < maxLabelled && l.size.Add(1) <= maxLabelled {
		l.contexts.Store(operation, labelled)
	}
	return labelled
}

// LabelProfiles labels the calling goroutine with the operation, if it is known and the
// Core has Config.ProfileLabels. Hop.End, which must be called in the same goroutine, gives
// it the labels of ctx again. BeginInto calls it for spans of servers whose operation is
// known; an adapter of a server calls it once the operation is.
func (h *Hop) LabelProfiles(ctx context.Context) {
	if h == nil || h.core.labels == nil || h.unlabelled != nil {
		return
	}
	if op := h.Operation(); op != "" {
		h.unlabelled = ctx
		pprof.SetGoroutineLabels(h.core.labels.of(ctx, op))
	}
}

// labelKnown labels the goroutine at the begin of a hop.
func (h *Hop) labelKnown(ctx context.Context, in *Incoming) {
	if h.core.labels != nil && in.SpanKind == trace.SpanKindServer && in.Operation != "" {
		h.LabelProfiles(ctx)
	}
}

package sloghop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"testing/slogtest"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/sloghop"
)

func decode(t *testing.T, b *bytes.Buffer) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return m
}

func TestIDsStayAtTheTopLevel(t *testing.T) {
	rec := mwtest.New(t)
	ctx, h := rec.Begin(context.Background(), hop.Incoming{Operation: "op", Header: http.Header{"X-Correlation-Id": {"c-1"}}})
	defer h.End(hop.Outcome{})
	var b bytes.Buffer
	l := slog.New(sloghop.New(slog.NewJSONHandler(&b, nil)))
	l.InfoContext(ctx, "plain")
	if m := decode(t, &b); m["correlation_id"] != "c-1" || m["trace_id"] == nil || m["span_id"] == nil {
		t.Errorf("line %v", m)
	}
	b.Reset()
	l.With("a", 1).WithGroup("g").With("b", 2).InfoContext(ctx, "grouped", "c", 3)
	m := decode(t, &b)
	if g, _ := m["g"].(map[string]any); m["correlation_id"] != "c-1" || m["a"] != 1. || g["b"] != 2. || g["c"] != 3. {
		t.Errorf("line %v", m)
	}
}

func TestHandlerContract(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return sloghop.New(slog.NewJSONHandler(&b, nil))
	}, func(t *testing.T) map[string]any { return decode(t, &b) })
}

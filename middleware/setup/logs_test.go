package setup

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

type kept struct{ records []sdklog.Record }

func (k *kept) OnEmit(_ context.Context, r *sdklog.Record) error {
	k.records = append(k.records, r.Clone())
	return nil
}
func (*kept) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (*kept) Shutdown(context.Context) error                         { return nil }
func (*kept) ForceFlush(context.Context) error                       { return nil }

// Both ways out carry the same fields.
func TestFieldsKeepTheirValues(t *testing.T) {
	var k kept
	bridge := newLogBridge(sdklog.NewLoggerProvider(sdklog.WithProcessor(&k)))
	if _, err := bridge.Write([]byte(`{"level":"info","status":200,"order":9007199254740993,"ms":1.5,"ok":true,"items":["a","b"],"more":{"x":1},"message":"hello"}`)); err != nil {
		t.Fatal(err)
	}
	got := map[string]attribute.Value{}
	k.records[0].WalkAttributes(func(a attribute.KeyValue) bool {
		got[string(a.Key)] = a.Value
		return true
	})
	for _, want := range []attribute.KeyValue{
		attribute.Int64("status", 200), attribute.Int64("order", 9007199254740993), attribute.Float64("ms", 1.5),
		attribute.Bool("ok", true), attribute.String("items", `["a","b"]`), attribute.String("more", `{"x":1}`),
	} {
		if got[string(want.Key)] != want.Value {
			t.Errorf("%s = %v, want %v", want.Key, got[string(want.Key)].String(), want.Value.String())
		}
	}
}

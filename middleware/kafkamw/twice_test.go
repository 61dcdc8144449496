package kafkamw

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/mwtest"
)

// A client may be given the options twice, by the program and by a build with Orchestrion,
// or those of two telemetries. Each telemetry has one span and one duration of a record, and
// the record has its own context again.
func TestOptionsTwice(t *testing.T) {
	for _, failure := range []error{nil, errors.New("refused")} {
		one, two := mwtest.New(t), mwtest.New(t)
		hooks := []*producer{newProducer(WithTelemetry(one.Telemetry)), newProducer(WithTelemetry(one.Telemetry)), newProducer(WithTelemetry(two.Telemetry))}
		ctx := t.Context()
		r := &kgo.Record{Topic: "orders", Context: ctx}
		for _, h := range hooks {
			h.OnProduceRecordBuffered(r)
		}
		for _, h := range hooks {
			h.OnProduceRecordUnbuffered(r, failure)
		}
		for name, rec := range map[string]*mwtest.Recorder{"one": one, "two": two} {
			if n, spans := rec.Count("messaging_client_operation_duration_seconds"), len(rec.Spans()); n != 1 || spans != 1 {
				t.Errorf("%s, error %v: %d durations, %d spans", name, failure, n, spans)
			}
		}
		if r.Context != ctx {
			t.Errorf("error %v: the record's context is %T", failure, r.Context)
		}
		if failure != nil && len(r.Headers) != 0 {
			t.Errorf("a record to be sent again has the headers %v", r.Headers)
		}
	}
}

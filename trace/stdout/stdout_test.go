package stdout_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/stdout"
)

func TestSpans(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	want := trace.Span{ID: "00f067aa0ba902b7", Parent: "00f067aa0ba902b8", Service: "gateway", Operation: "POST /pay", Kind: trace.Client,
		Start: at, Duration: 20 * time.Millisecond, Failed: true, StatusMessage: "declined", TraceState: "a=b",
		Attributes: map[string]string{"http.route": "/pay", "n": "5"}, Resource: map[string]string{"service.name": "gateway"},
		Events: []trace.Event{{Time: at, Name: "exception", Attributes: map[string]string{"exception.type": "Declined"}}}}
	var d stdout.Decoder
	for name, read := range map[string]func() (string, trace.Span, error){
		"Go": func() (string, trace.Span, error) {
			return d.Go([]byte(`{"Name":"POST /pay","SpanContext":{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b7","TraceFlags":"01","TraceState":"a=b","Remote":false},
				"Parent":{"TraceID":"4bf92f3577b34da6a3ce929d0e0e4736","SpanID":"00f067aa0ba902b8","TraceFlags":"01","TraceState":"","Remote":true},"SpanKind":3,
				"StartTime":"2026-01-02T04:04:05.6+01:00","EndTime":"2026-01-02T03:04:05.62Z",
				"Attributes":[{"Key":"http.route","Value":{"Type":"STRING","Value":"/pay"}},{"Key":"n","Value":{"Type":"INT64","Value":5}}],
				"Events":[{"Name":"exception","Attributes":[{"Key":"exception.type","Value":{"Type":"STRING","Value":"Declined"}}],"DroppedAttributeCount":0,"Time":"2026-01-02T03:04:05.6Z"}],
				"Links":null,"Status":{"Code":"Error","Description":"declined"},"Resource":[{"Key":"service.name","Value":{"Type":"STRING","Value":"gateway"}}]}`))
		},
		"Python": func() (string, trace.Span, error) {
			return d.Python([]byte(`{"name":"POST /pay","context":{"trace_id":"0x4bf92f3577b34da6a3ce929d0e0e4736","span_id":"0x00f067aa0ba902b7","trace_state":"[a=b]"},"kind":"SpanKind.CLIENT",
				"parent_id":"0x00f067aa0ba902b8","start_time":"2026-01-02T03:04:05.600000Z","end_time":"2026-01-02T03:04:05.620000Z","status":{"status_code":"ERROR","description":"declined"},
				"attributes":{"http.route":"/pay","n":5},"events":[{"name":"exception","timestamp":"2026-01-02T03:04:05.600000Z","attributes":{"exception.type":"Declined"}}],"links":[],
				"resource":{"attributes":{"service.name":"gateway"},"schema_url":""}}`))
		},
	} {
		id, got, err := read()
		for i := range got.Events {
			got.Events[i].Time = got.Events[i].Time.UTC()
		}
		got.Start = got.Start.UTC()
		if err != nil || id != "4bf92f3577b34da6a3ce929d0e0e4736" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s, %v\ngot  %+v\nwant %+v", name, id, err, got, want)
		}
	}
	_, root, err := d.Go([]byte(`{"SpanContext":{"SpanID":"01"},"Parent":{"SpanID":"0000000000000000"},"StartTime":"2026-01-02T03:04:05Z","EndTime":"0001-01-01T00:00:00Z"}`))
	if err != nil || root.Parent != "" || root.Duration != 0 || root.Attributes == nil {
		t.Errorf("%+v, %v", root, err)
	}
	if _, _, err := d.Python([]byte(`{"start_time":"noon"}`)); err == nil {
		t.Error("a time that is none has no error")
	}
}

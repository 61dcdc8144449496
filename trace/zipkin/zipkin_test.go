package zipkin_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/zipkin"
)

func spans(t *testing.T, body string) map[string][]trace.Span {
	t.Helper()
	out := map[string][]trace.Span{}
	if err := zipkin.Unmarshal([]byte(body), func(id string, s trace.Span) { out[id] = append(out[id], s) }); err != nil {
		t.Fatal(err)
	}
	return out
}

const client = `{"traceId":"ab","id":"2","parentId":"1","name":"post","kind":"CLIENT","timestamp":1700000000123456,"duration":20000,
	"localEndpoint":{"serviceName":"gateway","ipv4":"10.0.0.1"},"remoteEndpoint":{"serviceName":"payment"},
	"tags":{"http.method":"POST","error":"connection reset"},"annotations":[{"timestamp":1700000000124456,"value":"retry"}]}`

func TestUnmarshal(t *testing.T) {
	at := time.UnixMicro(1_700_000_000_123_456)
	want := trace.Span{ID: "2", Parent: "1", Service: "gateway", Operation: "post", Kind: trace.Client, Start: at, Duration: 20 * time.Millisecond,
		Failed: true, StatusMessage: "connection reset",
		Attributes: map[string]string{"http.method": "POST", "error": "connection reset", "peer.service": "payment"},
		Events:     []trace.Event{{Time: at.Add(time.Millisecond), Name: "retry"}}}
	for name, body := range map[string]string{"spans": "[" + client + "]", "traces": "[[" + client + "],[]]", "one span": client} {
		if got := spans(t, body); !reflect.DeepEqual(got, map[string][]trace.Span{"ab": {want}}) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
		}
	}
	kinds := spans(t, `[{"traceId":"a","id":"1","kind":"PRODUCER","tags":{"error":"false"}},{"traceId":"a","id":"2","kind":"CONSUMER","tags":{"error":""}},{"traceId":"a","id":"3"}]`)["a"]
	if kinds[0].Kind != trace.Producer || kinds[0].Failed || kinds[1].Kind != trace.Consumer || !kinds[1].Failed || kinds[2].Kind != "" || kinds[2].Failed {
		t.Errorf("%+v", kinds)
	}
}

// A server that continues its client's span is a child of it, and the parent of
// what it does itself, whichever came first.
func TestSharedSpan(t *testing.T) {
	for _, order := range [][3]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
		parts := []string{client,
			`{"traceId":"ab","id":"2","parentId":"1","kind":"SERVER","shared":true,"timestamp":1,"localEndpoint":{"serviceName":"payment"}}`,
			`{"traceId":"ab","id":"3","parentId":"2","kind":"CLIENT","timestamp":1,"localEndpoint":{"serviceName":"payment"}}`}
		parents := map[string]string{}
		for _, s := range spans(t, "["+parts[order[0]]+","+parts[order[1]]+","+parts[order[2]]+"]")["ab"] {
			parents[s.Service+" "+s.ID] = s.Parent
		}
		if want := map[string]string{"gateway 2-client": "1", "payment 2": "2-client", "payment 3": "2"}; !reflect.DeepEqual(parents, want) {
			t.Errorf("%v, want %v", parents, want)
		}
	}
}

func TestDamage(t *testing.T) {
	for _, c := range []struct {
		name, body, says string
		spans            int
	}{
		{"cut short", "[" + client + "," + client[:50], "unexpected EOF", 1},
		{"no trace ID", `[{"id":"1"},` + client + `,{"id":"2"}]`, `span "1" has no traceId; 1 more spans cannot be read`, 1},
		{"a bad time", `[{"traceId":"a","id":"1","timestamp":"noon"},` + client + "]", `span "1": timestamp is not a number`, 1},
		{"text", "spans", "invalid character 's'", 0},
		{"nested too deep", strings.Repeat("[", 1_000_000), "invalid character '['", 0},
	} {
		n := 0
		err := zipkin.Unmarshal([]byte(c.body), func(string, trace.Span) { n++ })
		if err == nil || !strings.Contains(err.Error(), c.says) || n != c.spans {
			t.Errorf("%s: %d spans, %v; want %d and %q", c.name, n, err, c.spans, c.says)
		}
	}
}

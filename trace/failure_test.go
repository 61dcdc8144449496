package trace

import "testing"

func TestFailed(t *testing.T) {
	for _, c := range []struct {
		status, tag, why string
		want             bool
	}{
		{"", "", "nothing is said", false},
		{"", "true", "OpenTracing's tag, as text or as Jaeger's truth value", true},
		{"", "True", "as Python writes it", true},
		{"", "false", "", false},
		{"ERROR", "", "OpenTelemetry's exporters for Jaeger", true},
		{"Error", "", "in any case", true},
		{"OK", "", "", false},
		{"UNSET", "", "", false},
		{"2", "", "OTLP's number", true},
		{"1", "", "OTLP's OK", false},
		{"0", "", "OTLP's unset", false},
		{"STATUS_CODE_ERROR", "", "OTLP's name", true},
		{"STATUS_CODE_OK", "", "", false},
	} {
		if got := Failed(c.status, c.tag); got != c.want {
			t.Errorf("status %q, error %q: %v, want %v: %s", c.status, c.tag, got, c.want, c.why)
		}
	}
}

func TestFirstFailing(t *testing.T) {
	for _, c := range []struct{ name, why, trace, want string }{
		{"the deepest", "each failed because what it called did", `
			a - gateway server 0-10 failed
			b a gateway client 1-9 failed
			c b payment server 2-8 failed
			d c payment client 3-4`, "c"},
		{"not the compensation after it", "what failed later is a consequence", `
			a - checkout server 0-10 failed
			b a checkout client 1-3 failed
			c a checkout client 4-6 failed`, "b"},
		{"not what was caught", "the parent did not fail with it", `
			a - gateway server 0-10 failed
			b a gateway client 1-9
			c b loyalty server 2-8 failed`, "a"},
		{"a cycle", "it has no top", `
			a b gateway server 0-10 failed
			b a gateway client 1-9 failed`, ""},
		{"none", "nothing failed", "a - gateway server 0-10", ""},
		{"its parent is not there", "what failed without a parent is topmost", `
			a - gateway server 0-10
			b gone payment server 2-8 failed
			c b payment client 3-4 failed`, "c"},
		{"the first of two", "they failed independently", `
			a - gateway server 0-10
			b a gateway client 5-8 failed
			c a gateway client 1-9 failed`, "c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := parse(t, c.trace)
			got := ""
			if i := FirstFailing(tr); i != None {
				got = tr.Spans[i].ID
			}
			if got != c.want {
				t.Errorf("%q, want %q: %s", got, c.want, c.why)
			}
		})
	}
}

func TestBlame(t *testing.T) {
	for _, c := range []struct {
		name, trace string // the first span is blamed
		want        Culprit
	}{
		{"a service's own", "a - payment server 0-10 failed", Culprit{"payment", "op", ""}},
		{"a callee with spans", "a - gateway client 0-10 failed peer.service=payment\nb a payment server 1-9", Culprit{"payment", "op", "gateway"}},
		{"a store", "a - payment client 0-10 failed peer.service=payment-db", Culprit{"payment", "op", "payment-db"}},
		{"a topic", "a - order producer 0-10 failed messaging.destination.name=orders", Culprit{"order", "op", "orders"}},
		{"a call that does not say whom it calls", "a - order client 0-10 failed", Culprit{"order", "op", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Blame(parse(t, c.trace), 0); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

package explain

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/trace"
)

// requests returns n traces of two services; each calls edit with the span of the second.
func requests(prefix string, n int, edit func(i int, s *trace.Span)) []trace.Trace {
	var out []trace.Trace
	for i := range n {
		at := time.Unix(int64(i), 0)
		t := trace.Trace{ID: fmt.Sprint(prefix, i), Spans: []trace.Span{
			{ID: "1", Service: "front", Operation: "GET /", Kind: trace.Server, Start: at, Duration: 9 * time.Millisecond},
			{ID: "2", Parent: "1", Service: "bank", Operation: "Pay", Kind: trace.Server, Start: at, Duration: 8 * time.Millisecond,
				Events: []trace.Event{{Name: "message", Attributes: map[string]string{"message.id": fmt.Sprint(i)}}}},
		}}
		edit(i, &t.Spans[1])
		out = append(out, t)
	}
	return out
}

func quotesOf(t *testing.T, kind string, slow, failed, normal []trace.Trace) []result.Quote {
	t.Helper()
	found := []result.Finding{{Hop: "bank", Kind: kind}}
	Quotes(found, slow, failed, normal)
	return found[0].Quotes
}

// What slow spans say and ordinary ones do not is quoted once, whatever the numbers in
// it.
func TestQuotes(t *testing.T) {
	normal := requests("q", 20, func(i int, s *trace.Span) {
		s.Events = append(s.Events, trace.Event{Name: fmt.Sprintf("cache %d read", i)})
	})
	lock := func(i int, s *trace.Span) {
		s.Events = append(s.Events, trace.Event{Name: fmt.Sprintf("waiting for lock behind %d", i+1)}, trace.Event{Name: fmt.Sprintf("cache %d read", i+40)})
	}
	exception := func(i int, s *trace.Span) {
		s.Failed, s.StatusMessage = true, "PoolTimeout: none of 5 is free"
		s.Events = append(s.Events, trace.Event{Name: "exception", Attributes: map[string]string{"exception.type": "PoolTimeout",
			"exception.message": "none of 5 is free", "exception.stacktrace": "at Bank.java:12"}})
	}
	rare := func(i int, s *trace.Span) {
		if i == 3 {
			s.Events = append(s.Events, trace.Event{Name: "tls handshake"})
		}
	}
	for _, c := range []struct {
		name         string
		kind         string
		slow, failed []trace.Trace
		want         []result.Quote
	}{
		{"a lock", result.KindSelf, requests("s", 12, lock), nil, []result.Quote{{Source: "event", Text: "waiting for lock behind 1", TraceID: "s0", Traces: 12}}},
		{"an exception and its status", result.KindErrors, nil, requests("f", 6, exception),
			[]result.Quote{{Source: "exception", Text: "PoolTimeout: none of 5 is free", TraceID: "f0", Traces: 6}}},
		{"one trace in twenty", result.KindSelf, requests("s", 20, rare), nil, nil},
		{"nothing else", result.KindSelf, requests("s", 20, func(int, *trace.Span) {}), nil, nil},
		{"no traces", result.KindSelf, nil, nil, nil},
	} {
		got := quotesOf(t, c.kind, c.slow, c.failed, normal)
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Quotes are one line of printable characters without credentials.
func TestTidy(t *testing.T) {
	for text, want := range map[string]string{
		"dial postgres://shop:hunter2@db:5432/shop: refused":   "dial postgres://***@db:5432/shop: refused",
		"GET https://api.example/v1?api_key=abc123&x=1 failed": "GET https://api.example/v1?api_key=***&x=1 failed",
		`login {"password":"hunter2","user":"ann"}`:            `login {"password":***,"user":"ann"}`,
		"Authorization: Bearer abc.def-ghi123":                 "Authorization: *** ***",
		"dial shop:p/w@tcp(db:3306)/shop: refused":             "dial ***@tcp(db:3306)/shop: refused",
		"redis://:a/b@cache:6379 refused":                      "redis://***@cache:6379 refused",
		"sent bearer abcdefghij":                               "sent bearer ***",
		"client_secret = 'a b c' rejected":                     "client_secret = *** rejected",
		"card 4111 1111 1111 1111 declined":                    "card *** declined",
		"jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl expired":   "jwt *** expired",
		"password authentication failed for user \"shop\"":     "password authentication failed for user \"shop\"",
		"\x1b[31mred\x1b[0m\r\n\tnext\u202eline\x00":           "[31mred[0m nextline",
		"bad \xff byte":                         "bad byte",
		"waiting for lock behind 1795700000000": "waiting for lock behind 1795700000000",
		"order 12345 of 2026-11-26T20:20:05Z failed after 3 of 3 tries": "order 12345 of 2026-11-26T20:20:05Z failed after 3 of 3 tries",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE": "-----BEGIN RSA PRIVATE KEY-----***",
	} {
		if got := tidy(text); got != want {
			t.Errorf("tidy(%q) = %q, want %q", text, got, want)
		}
	}
	if got := []rune(tidy(strings.Repeat("ä", 5000))); len(got) != maxQuote || got[maxQuote-1] != '…' {
		t.Errorf("%d characters, the last is %q", len(got), got[len(got)-1])
	}
}

// Lines of a log are quoted if they are warnings or errors of the hop.
func TestLogs(t *testing.T) {
	var slow, normal []LogLine
	for i := range 5 {
		id := fmt.Sprint("s", i)
		slow = append(slow, LogLine{TraceID: id, Service: "bank", Text: fmt.Sprintf(`{"level":"error","message":"no connection","error":"pool of %d is empty"}`, i)},
			LogLine{TraceID: id, Service: "bank", Level: "INFO", Text: "paid"}, LogLine{TraceID: id, Service: "front", Text: `{"level":"error","message":"bank is slow"}`},
			LogLine{TraceID: id, Service: "bank", Text: "level=warn msg=deprecated"})
		normal = append(normal, LogLine{TraceID: fmt.Sprint("q", i), Service: "bank", Text: "level=warn msg=deprecated"})
	}
	found := []result.Finding{{Hop: "bank", Kind: result.KindSelf, Quotes: []result.Quote{{Source: result.QuoteEvent, Text: "a"}, {Source: result.QuoteEvent, Text: "b"}}}}
	Logs(found, slow, normal, 5, 5)
	want := []result.Quote{{Source: result.QuoteEvent, Text: "a"}, {Source: result.QuoteLog, Text: "no connection: pool of 0 is empty", TraceID: "s0", Traces: 5}}
	if fmt.Sprint(found[0].Quotes) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", found[0].Quotes, want)
	}
}

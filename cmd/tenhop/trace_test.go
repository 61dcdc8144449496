package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/jaeger/jaegertest"
)

// The slowest request is looked for at whatever requests begin with, and an
// entry that nobody asked for is answered with those that were.
func TestSlowest(t *testing.T) {
	at := time.Now().Add(-time.Minute)
	request := func(n int, operation string, took time.Duration) diagnose.Trace {
		return diagnose.Trace{ID: fmt.Sprintf("%032x", n), Spans: []diagnose.Span{
			{ID: "1", Service: "shop", Operation: operation, Kind: "server", Start: at, Duration: took},
			{ID: "2", Parent: "1", Service: "shop", Operation: "GET", Kind: "client", Start: at, Duration: took / 2, Attributes: map[string]string{"peer.service": "stock"}},
			{ID: "3", Parent: "2", Service: "stock", Operation: "GET /levels/{item}", Kind: "server", Start: at, Duration: took / 3},
		}}
	}
	jaeger := jaegertest.Serve(t, request(1, "GET /items/{item}", 20*time.Millisecond), request(2, "GET /items/{item}", 300*time.Millisecond), request(3, "POST /orders", 90*time.Millisecond))
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"of all", "shop GET > stock", nil},
		{"of all", "0000000000002: 3 spans", nil},
		{"of an entry", "0000000000003: 3 spans", []string{"--operation", "POST /orders"}},
		{"of a hop", "0000000000002: 3 spans", []string{"--service", "stock", "--operation", "GET /levels/{item}"}},
		{"of none", "requests began with\n  --service shop --operation \"GET /items/{item}\"\n  --service shop --operation \"POST /orders\"", []string{"--operation", "POST /checkout"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := newTraceCmd()
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetArgs(append([]string{"--slowest", "--jaeger", jaeger.URL}, c.args...))
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				out.WriteString(err.Error())
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("there is no %q in\n%s", c.want, out.String())
			}
		})
	}
}

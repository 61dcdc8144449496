package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/query/jaeger/jaegertest"
	"github.com/tenhop/tenhop/trace"
)

// The slowest request is found behind any number of newer ones, by the span that
// was asked for, and one that nobody sent is answered with those that were.
func TestSlowest(t *testing.T) {
	at := time.Now().Add(-time.Minute)
	request := func(n int, operation string, took, stock time.Duration) trace.Trace {
		return trace.Trace{ID: fmt.Sprintf("%032x", n), Spans: []trace.Span{
			{ID: "1", Service: "shop", Operation: operation, Kind: "server", Start: at, Duration: took},
			{ID: "2", Parent: "1", Service: "shop", Operation: "GET", Kind: "client", Start: at, Duration: took / 2, Attributes: map[string]string{"peer.service": "stock"}},
			{ID: "3", Parent: "2", Service: "stock", Operation: "GET /levels/{item}", Kind: "server", Start: at, Duration: stock},
		}}
	}
	const slow, slowStock, order = 1, 2, 3
	traces := []trace.Trace{
		request(slow, "GET /items/{item}", 300*time.Millisecond, time.Millisecond),
		request(slowStock, "GET /items/{item}", 100*time.Millisecond, 70*time.Millisecond),
	}
	for n := range 2 * perSearch {
		at = at.Add(time.Millisecond)
		traces = append(traces, request(order+1+n, "GET /items/{item}", 20*time.Millisecond, 10*time.Millisecond))
	}
	traces = append(traces, request(order, "POST /orders", 90*time.Millisecond, 30*time.Millisecond))
	jaeger := jaegertest.Serve(t, traces...)
	behind, err := url.Parse(jaeger.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/services":
			fmt.Fprint(w, `{"data":["left","shop","stock"]}`)
		case r.FormValue("service") == "left": // its last trace expired between Jaeger's index and its store
			http.Error(w, `{"errors":[{"code":404,"msg":"trace not found"}]}`, http.StatusNotFound)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"of all", "shop GET > stock", nil},
		{"of all", "0000000000001: 3 spans", nil},
		{"of an entry", "0000000000003: 3 spans", []string{"--operation", "POST /orders"}},
		{"of a hop", "0000000000002: 3 spans", []string{"--service", "stock", "--operation", "GET /levels/{item}"}},
		{"of a service", "0000000000002: 3 spans", []string{"--service", "stock"}},
		{"of an operation that is no entry", "0000000000002: 3 spans", []string{"--operation", "GET /levels/{item}"}},
		{"of none", "requests began with\n  --service shop --operation \"GET /items/{item}\"\n  --service shop --operation \"POST /orders\"", []string{"--operation", "POST /checkout"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := newTraceCmd()
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(&out)
			cmd.SetArgs(append([]string{"--slowest", "--jaeger", front.URL}, c.args...))
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				out.WriteString(err.Error())
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("there is no %q in\n%s", c.want, out.String())
			}
		})
	}
}

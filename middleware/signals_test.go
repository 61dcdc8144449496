package middleware_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/middleware/process"
)

var update = flag.Bool("update", false, "write the generated pages of docs/middleware again")

const signalsPage = "../docs/middleware/signals.md"

// TestSignalsPage writes the table of signals from what the code really reports,
// and fails when the committed page says something else. Run it with -update to
// write the page.
func TestSignalsPage(t *testing.T) {
	got := signals(t)
	if *update {
		if err := os.WriteFile(signalsPage, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(signalsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s is not what the code reports; run go test -run TestSignalsPage . -update", signalsPage)
	}
}

// signals drives one request of every kind and lists what it left behind.
func signals(t *testing.T) string {
	t.Helper()
	rec := mwtest.New(t)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer back.Close()
	client := &http.Client{Transport: httpmw.Transport(nil, httpmw.WithTelemetry(rec.Telemetry), httpmw.WithDependency("back"))}
	if resp, err := client.Get(back.URL); err == nil { // outside any request
		resp.Body.Close()
	}
	h := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, back.URL+"/x", nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		if _, err := rec.Registry.Gather(); err != nil { // the request is in flight
			t.Error(err)
		}
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "failed")
	}), httpmw.WithTelemetry(rec.Telemetry))
	r := httptest.NewRequest("BREW", "http://shop:8080/items/7", strings.NewReader("body"))
	r.Header.Set("User-Agent", "curl/8")
	h.ServeHTTP(httptest.NewRecorder(), r)
	_, q := rec.Core().Begin(context.Background(), adapter.Incoming{Protocol: "kafka", Operation: "process orders.placed", Async: true})
	q.End(adapter.Outcome{Queued: true, QueueWait: time.Second, Err: io.EOF, ErrorType: "eof", Failed: true})

	var b strings.Builder
	b.WriteString("# Signals\n\nWritten by `go test -run TestSignalsPage . -update` in `middleware/`; do not edit.\n\n## Metrics\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	mfs, err := rec.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		labels := map[string]bool{}
		for _, m := range mf.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", mf.GetName(), strings.ToLower(mf.GetType().String()), list(labels), mf.GetHelp())
	}
	b.WriteString("\n## Metrics of the process\n\nPackage `process` exports them; `setup` registers it. Which of them a process reports depends on the system:\n" +
		"those of the control group need Linux, throttling a CPU quota, usage a memory limit. The other half are\n" +
		"`go_*` and `process_*` of client_golang's collectors, which `setup` registers too. [Causes](../diagnosis.md#causes) says how\n" +
		"they are read.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range process.Families() {
		set := map[string]bool{"service_name": true}
		for _, l := range f.Labels {
			set[l] = true
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, f.Kind, list(set), f.Help)
	}
	b.WriteString("\n## Span attributes\n\n| span kind | attributes |\n|---|---|\n")
	kinds := map[string]map[string]bool{}
	for _, s := range rec.Spans() {
		k := s.Kind.String()
		if kinds[k] == nil {
			kinds[k] = map[string]bool{}
		}
		for a := range s.Attributes {
			kinds[k][a] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		fmt.Fprintf(&b, "| %s | %s |\n", k, list(kinds[k]))
	}
	fields := map[string]bool{}
	for _, l := range rec.Lines() {
		for f := range l {
			fields[f] = true
		}
	}
	fmt.Fprintf(&b, "\n## Log fields\n\n%s\n", list(fields))
	return b.String()
}

func list(set map[string]bool) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(set)) {
		names = append(names, "`"+n+"`")
	}
	return strings.Join(names, ", ")
}

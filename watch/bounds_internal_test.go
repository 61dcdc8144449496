package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/hostile"
)

const (
	headOfPayload = `{"version":"4","alerts":[`
	tailOfPayload = `]}`
	smallAlert    = `{"status":"firing","labels":{"alertname":"a"},"startsAt":"2026-01-01T00:00:00Z"}`
)

// What a payload takes in memory is bounded by its bytes, and its alerts are by their number, and
// the names and values of their labels.
func TestPayloadsAreBounded(t *testing.T) {
	label := func(name, value string) string {
		return strings.Replace(smallAlert, `"alertname":"a"`, fmt.Sprintf(`"alertname":"a",%q:%q`, name, value), 1)
	}
	for name, alerts := range map[string]string{
		"16 MiB of nothing":        strings.Repeat("{},", 16<<20/3-50) + smallAlert,
		"16 MiB of labels":         strings.Replace(smallAlert, `"alertname":"a"`, strings.Repeat(`"l":"",`, 2<<20)+`"alertname":"a"`, 1),
		"16 MiB of distinct names": strings.Replace(smallAlert, `"alertname":"a"`, manyLabels(1_000_000)+`"alertname":"a"`, 1),
		"180,000 alerts":           strings.Repeat(smallAlert+",", 180_000) + smallAlert,
		"a name of 1 MiB":          label(strings.Repeat("n", 1<<20), "v"),
		"a name of 2 KiB":          label(strings.Repeat("n", 2<<10), "v"),
		"a value of 2 KiB":         label("n", strings.Repeat("v", 2<<10)),
		"nested":                   strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
	} {
		body, err := []byte(headOfPayload+alerts+tailOfPayload), error(nil)
		cost := hostile.Measure(func() { _, err = Decode(body) })
		if !errors.Is(err, ErrNoPayload) {
			t.Errorf("%s: %.200v", name, err)
		}
		if cost.Peak > 56*hostile.MiB {
			t.Errorf("%s: %d MiB of memory for %d bytes", name, cost.Peak/hostile.MiB, len(body))
		}
	}
	alerts, err := Decode([]byte(headOfPayload + strings.Repeat(smallAlert+",", maxPayload-1) + smallAlert + tailOfPayload))
	if err != nil || len(alerts) != maxPayload {
		t.Errorf("%d alerts, %v", len(alerts), err)
	}
	for _, none := range []string{`{"version":"4","alerts":null}`, `{"version":"4","alerts":[]}`, `{"version":"4"}`} {
		if alerts, err := Decode([]byte(none)); err != nil || len(alerts) != 0 {
			t.Errorf("%s: %v, %v", none, alerts, err)
		}
	}
}

// manyLabels returns labels of JSON.
func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	return b.String()
}

func newBounded(t *testing.T) *Watcher {
	t.Helper()
	w, err := New(Config{Dir: t.TempDir(), Diagnose: func(context.Context, Question) (result.Result, error) { return result.Result{}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// The alerts of an incident have a size together, in memory and on disk. Those beyond it count.
func TestIncidentsAreBounded(t *testing.T) {
	w := newBounded(t)
	long := strings.Repeat("v", maxLabelSize)
	for n := range 3 {
		var alerts []Alert
		for i := range 400 {
			a := Alert{Labels: map[string]string{"alertname": "Slow", "n": fmt.Sprint(n, i)}, StartsAt: time.Now()}
			for l := range 10 {
				a.Labels[fmt.Sprint(l)] = long
			}
			alerts = append(alerts, a)
		}
		if err := w.accept(alerts, false); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.incidents) != 1 {
		t.Fatalf("%d incidents", len(w.incidents))
	}
	i := w.incidents[0]
	if i.Rules() != 1200 || i.Dropped == 0 || len(i.Alerts) < 50 {
		t.Errorf("%d alerts are kept, %d are not", len(i.Alerts), i.Dropped)
	}
	info, err := os.Stat(w.store.path(i.ID))
	if err != nil || info.Size() > 2*maxAlertBytes {
		t.Errorf("the file of the incident: %v, %d bytes", err, info.Size())
	}
	before := i.bytes
	if i.count(); i.bytes != before {
		t.Errorf("%d bytes were counted, %d are there", before, i.bytes)
	}
}

// A history leaves out the oldest incidents if all do not fit into what a Remote reads.
func TestHistoriesAreBounded(t *testing.T) {
	w := newBounded(t)
	for n := range 100 {
		i := &Incident{ID: fmt.Sprint(n), State: Closed, Alerts: map[string]*grouped{}, Paged: time.Unix(int64(n), 0)}
		for k := range 1000 {
			i.Alerts[fmt.Sprint(k)] = &grouped{Alert: Alert{Labels: map[string]string{"alertname": "a", "v": strings.Repeat("v", 800)}}}
		}
		i.count()
		w.incidents = append(w.incidents, i)
	}
	out := httptest.NewRecorder()
	w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/incidents", nil))
	var h History
	if err := json.NewDecoder(bytes.NewReader(out.Body.Bytes())).Decode(&h); err != nil {
		t.Fatal(err)
	}
	if out.Body.Len() > maxHistory || len(h.Incidents) < 10 || h.Incidents[0].ID != "99" || h.MTTD == nil {
		t.Errorf("%d incidents in %d bytes", len(h.Incidents), out.Body.Len())
	}
}

// Payloads that are being received have a maximum of memory. Those beyond it are to be sent again.
func TestReceivingIsBounded(t *testing.T) {
	w := newBounded(t)
	s := httptest.NewServer(w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil))
	defer s.Close()
	statuses := make(chan int, 8)
	for range cap(statuses) {
		body, send := io.Pipe()
		defer send.Close()
		go func() {
			_, _ = send.Write(bytes.Repeat([]byte(" "), maxBody-1)) // and then nothing
		}()
		go func() {
			resp, err := http.Post(s.URL+"/alerts", "application/json", body)
			if err != nil {
				return // closed below
			}
			resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	for n := range cap(statuses) - 4 {
		select {
		case status := <-statuses:
			if status != http.StatusServiceUnavailable {
				t.Errorf("a payload was answered with %d", status)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of 8 payloads of 16 MiB were refused at a time", n)
		}
	}
	s.CloseClientConnections()
}

// Labels neither link nor mention where Markdown is shown.
func TestMarkdownOfLabels(t *testing.T) {
	m := Message{Alerts: "see https://evil.example/a, www.evil.example, @channel, [x](javascript:1) & <img src=x>", Note: "http://evil.example @all", Headline: "https://evil.example"}
	for _, found := range []string{"://", "www.", "@channel", "@all", "[x]", "<img", "& "} {
		if text := m.Markdown(); strings.Contains(text, found) {
			t.Errorf("the message has %q:\n%s", found, text)
		}
	}
}

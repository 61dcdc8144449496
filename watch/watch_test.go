package watch_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// recorder is an HTTP receiver. Its server runs outside the test's bubble.
type recorder struct {
	mu     sync.Mutex
	down   bool
	refuse string // in a body
	bodies []string
	paths  []string
	answer string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	if r.refuse != "" && strings.Contains(string(body), r.refuse) {
		http.Error(w, "refused", http.StatusUnprocessableEntity)
		return
	}
	r.bodies, r.paths = append(r.bodies, string(body)), append(r.paths, req.Method+" "+req.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, r.answer)
}

func (r *recorder) setDown(v bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = v
}

func (r *recorder) got() ([]string, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...), append([]string(nil), r.paths...)
}

func serve(t *testing.T, answer string) (*recorder, string) {
	r := &recorder{answer: answer}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return r, srv.URL
}

func receiver(t *testing.T, target string, s watch.Secrets) watch.Receiver {
	t.Helper()
	r, err := watch.NewReceiver(target, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// oracle is a diagnosis that becomes sure.
type oracle struct {
	mu     sync.Mutex
	calls  int
	sureAt int // call; 0 is never
	hop    string
}

func (o *oracle) diagnose(context.Context, watch.Question) (result.Result, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	r := result.Result{Verdict: result.Unsure, Why: "the baseline is short", Entry: result.Entry{Operation: "POST /order"}}
	if o.sureAt > 0 && o.calls >= o.sureAt {
		r.Verdict, r.Why = result.Spike, ""
		r.Window.From = time.Now().Add(-20 * time.Second)
		r.Findings = []result.Finding{{Rank: 1, Hop: o.hop, Operation: "Work", Kind: result.KindSelf, BaselineMS: 1, NowMS: 201, AddedMS: 200, Share: 1}}
	}
	return r, nil
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.calls
}

func start(t *testing.T, dir string, o *oracle, rs ...watch.Receiver) (w *watch.Watcher, stop func()) {
	t.Helper()
	w, err := watch.New(watch.Config{Dir: dir, Diagnose: o.diagnose, Receivers: rs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	return w, func() { cancel(); <-done }
}

// send posts a payload of Alertmanager with alerts of the places.
func send(t *testing.T, w *watch.Watcher, status string, places ...string) {
	t.Helper()
	type alert struct {
		Status   string            `json:"status"`
		Labels   map[string]string `json:"labels"`
		StartsAt time.Time         `json:"startsAt"`
		EndsAt   time.Time         `json:"endsAt"`
	}
	p := struct {
		Version string  `json:"version"`
		Alerts  []alert `json:"alerts"`
	}{Version: "4"}
	for _, place := range places {
		a := alert{Status: status, Labels: map[string]string{"alertname": "Slow", "service_name": place}, StartsAt: time.Now()}
		if status == "resolved" {
			a.EndsAt = time.Now()
		}
		p.Alerts = append(p.Alerts, a)
	}
	body, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/alerts", bytes.NewReader(body))
	out := httptest.NewRecorder()
	w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil).ServeHTTP(out, req)
	if out.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", out.Code, out.Body)
	}
}

func decode(t *testing.T, body string) watch.Message {
	t.Helper()
	var m watch.Message
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSlackMessage posts one message for two alerts, edits it when the diagnosis becomes
// sure, and edits it again when both are resolved.
func TestSlackMessage(t *testing.T) {
	slack, url := serve(t, `{"ok":true,"channel":"C1","ts":"17.5"}`)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 8, hop: "pay<!channel>"}
		w, stop := start(t, dir, o, receiver(t, "slack://C1", watch.Secrets{Slack: "xoxb-1", SlackAPI: url + "/"}))
		send(t, w, "firing", "a")
		time.Sleep(5 * time.Second)
		send(t, w, "firing", "b")
		time.Sleep(5 * time.Minute)
		send(t, w, "resolved", "a", "b")
		time.Sleep(2 * time.Minute)
		stop()
	})
	bodies, paths := slack.got()
	if want := "POST /chat.postMessage POST /chat.update POST /chat.update"; strings.Join(paths, " ") != want {
		t.Fatalf("calls %q, want %s", paths, want)
	}
	for n, b := range bodies {
		form, err := neturl.ParseQuery(b)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{form.Get("text")}
		var parts any
		if err := json.Unmarshal([]byte(form.Get("blocks")), &parts); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, mrkdwn(parts)...)
		for _, text := range texts {
			if strings.ContainsAny(text, "<>") {
				t.Errorf("a name from telemetry can mention or link: %q", text)
			}
		}
		if n > 0 && !strings.Contains(texts[0], "pay&lt;!channel&gt;") {
			t.Errorf("the text does not show the name as it is: %q", texts[0])
		}
	}
	if !strings.Contains(bodies[2], "Recovered") {
		t.Errorf("the last state does not say that it recovered: %s", bodies[2])
	}
}

// mrkdwn returns the texts in a message's blocks in which Slack finds markup.
func mrkdwn(part any) (texts []string) {
	switch p := part.(type) {
	case []any:
		for _, inner := range p {
			texts = append(texts, mrkdwn(inner)...)
		}
	case map[string]any:
		if text, ok := p["text"].(string); ok && p["type"] != "plain_text" {
			texts = append(texts, text)
		}
		for _, inner := range p {
			texts = append(texts, mrkdwn(inner)...)
		}
	}
	return texts
}

// TestReceiverDown delivers what a receiver missed once, in its last state, also after a
// restart.
func TestReceiverDown(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			hook, url := serve(t, "")
			dir := t.TempDir()
			hook.setDown(true)
			synctest.Test(t, func(t *testing.T) {
				o := &oracle{sureAt: 2, hop: "a"}
				w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
				send(t, w, "firing", "a")
				time.Sleep(time.Minute)
				if restart {
					stop()
					_, stop = start(t, dir, o, receiver(t, url, watch.Secrets{}))
				}
				hook.setDown(false)
				time.Sleep(time.Minute)
				stop()
			})
			bodies, _ := hook.got()
			if len(bodies) != 1 {
				t.Fatalf("%d posts, want 1: %s", len(bodies), bodies)
			}
			if m := decode(t, bodies[0]); !m.Sure || !strings.HasPrefix(m.Headline, "a Work: +200 ms") {
				t.Errorf("got %+v", m)
			}
		})
	}
}

// TestStorm makes one incident of a thousand alerts.
func TestStorm(t *testing.T) {
	hook, url := serve(t, "")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 1, hop: "a"}
		w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
		for n := range 10 {
			var places []string
			for k := range 100 {
				places = append(places, fmt.Sprintf("place-%d", 100*n+k))
			}
			send(t, w, "firing", places...)
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Minute)
		stop()
		if n := o.count(); n > 6 { // until the cause is the same twice, and again after the last alerts
			t.Errorf("%d diagnoses", n)
		}
	})
	bodies, _ := hook.got()
	if len(bodies) != 1 {
		t.Fatalf("%d posts, want 1", len(bodies))
	}
}

// TestFlapping posts nothing for an alert that never fires for long.
func TestFlapping(t *testing.T) {
	hook, url := serve(t, "")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 1, hop: "a"}
		w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
		for n := range 20 {
			send(t, w, "firing", "a")
			time.Sleep([]time.Duration{time.Second, 20 * time.Second}[min(n, 1)])
			send(t, w, "resolved", "a")
			time.Sleep(10 * time.Second)
		}
		time.Sleep(5 * time.Minute)
		stop()
	})
	if bodies, _ := hook.got(); len(bodies) != 0 {
		t.Errorf("%d posts, want none: %s", len(bodies), bodies)
	}
}

// TestSameCause merges an incident that begins later but has the cause of an open one,
// and keeps one with another cause apart.
func TestSameCause(t *testing.T) {
	for _, c := range []struct {
		hop  string
		want int // incidents
	}{{"a", 1}, {"z", 2}} {
		hook, url := serve(t, "")
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			o := &oracle{sureAt: 1, hop: "a"}
			w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
			send(t, w, "firing", "a")
			time.Sleep(10 * time.Minute)
			o.mu.Lock()
			o.hop = c.hop
			o.mu.Unlock()
			send(t, w, "firing", "b")
			time.Sleep(time.Minute)
			stop()
		})
		ids := map[string]bool{}
		bodies, _ := hook.got()
		for _, b := range bodies {
			ids[decode(t, b).ID] = true
		}
		if len(ids) != c.want {
			t.Errorf("%d incidents with %s, want %d", len(ids), c.hop, c.want)
		}
	}
}

// TestListener rejects what is no payload, and requests without the token or of another
// site.
func TestListener(t *testing.T) {
	w, err := watch.New(watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{}).diagnose})
	if err != nil {
		t.Fatal(err)
	}
	h := w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "secret", nil)
	const firing = `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-01-02T03:04:05Z"}]}`
	for _, c := range []struct {
		why, host, token, origin, body string
		want                           int
	}{
		{"right", "127.0.0.1", "secret", "", firing, 200},
		{"wrong token", "127.0.0.1", "secret2", "", firing, 401},
		{"DNS rebinding", "evil.example", "secret", "", firing, 421},
		{"a page's form", "127.0.0.1", "secret", "http://evil.example", firing, 403},
		{"no JSON", "127.0.0.1", "secret", "", "x", 400},
		{"other version", "127.0.0.1", "secret", "", `{"version":"3"}`, 400},
		{"no name", "127.0.0.1", "secret", "", `{"version":"4","alerts":[{"status":"firing","startsAt":"2026-01-02T03:04:05Z"}]}`, 400},
		{"no time", "127.0.0.1", "secret", "", `{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"}}]}`, 400},
	} {
		req := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/alerts", strings.NewReader(c.body))
		req.Header.Set("Authorization", "Bearer "+c.token)
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		out := httptest.NewRecorder()
		h.ServeHTTP(out, req)
		if out.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.why, out.Code, c.want, out.Body)
		}
	}
}

// TestRefusedMessage delivers later messages although the first one is always refused.
func TestRefusedMessage(t *testing.T) {
	hook, url := serve(t, "")
	hook.refuse = "poison"
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 1, hop: "poison"}
		w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
		send(t, w, "firing", "a")
		time.Sleep(10 * time.Minute)
		o.mu.Lock()
		o.hop = "z"
		o.mu.Unlock()
		send(t, w, "firing", "b")
		time.Sleep(10 * time.Second)
		stop()
	})
	bodies, _ := hook.got()
	if len(bodies) != 1 || !strings.HasPrefix(decode(t, bodies[0]).Headline, "z Work") {
		t.Errorf("%d posts: %s", len(bodies), bodies)
	}
}

// TestNewReceiver sends a receiver that was added the open incidents, not the closed ones.
func TestNewReceiver(t *testing.T) {
	_, url := serve(t, "")
	added, addedURL := serve(t, "")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 1, hop: "a"}
		w, stop := start(t, dir, o, receiver(t, url, watch.Secrets{}))
		send(t, w, "firing", "a")
		time.Sleep(time.Minute)
		send(t, w, "resolved", "a")
		time.Sleep(10 * time.Minute)
		o.mu.Lock()
		o.hop = "z"
		o.mu.Unlock()
		send(t, w, "firing", "b")
		time.Sleep(time.Minute)
		stop()
		_, stop = start(t, dir, o, receiver(t, url, watch.Secrets{}), receiver(t, addedURL, watch.Secrets{}))
		time.Sleep(time.Minute)
		stop()
	})
	bodies, _ := added.got()
	if len(bodies) != 1 || !strings.HasPrefix(decode(t, bodies[0]).Headline, "z Work") {
		t.Errorf("%d posts: %s", len(bodies), bodies)
	}
}

// TestRemovedIncident leaves no file of an incident that flapped while it was diagnosed,
// which the next run would take for an open one.
func TestRemovedIncident(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w, err := watch.New(watch.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler), Timing: watch.Timing{Quiet: 3 * time.Second},
			Diagnose: func(context.Context, watch.Question) (result.Result, error) {
				time.Sleep(20 * time.Second)
				return result.Result{Verdict: result.Unsure}, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		send(t, w, "firing", "a")
		time.Sleep(time.Second)
		send(t, w, "resolved", "a")
		time.Sleep(time.Minute)
		cancel()
		<-done
	})
	if left, _ := filepath.Glob(filepath.Join(dir, "*.json")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestTwoWatchers refuses a second watcher of a directory, which would post everything twice.
func TestTwoWatchers(t *testing.T) {
	cfg := watch.Config{Dir: t.TempDir(), Diagnose: (&oracle{}).diagnose}
	w, err := watch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.New(cfg); !errors.Is(err, watch.ErrHeld) {
		t.Errorf("a second watcher: %v", err)
	}
	w.Close()
	again, err := watch.New(cfg)
	if err != nil {
		t.Fatalf("after the first one: %v", err)
	}
	again.Close()
}

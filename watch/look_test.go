package watch_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// found is a sure result about a hop, or one without a finding.
func found(verdict, hop string) result.Result {
	r := result.Result{Verdict: verdict, Entry: result.Entry{Operation: "POST /order"}}
	if hop != "" {
		r.Window.From = time.Now().Add(-6 * time.Second)
		r.Findings = []result.Finding{{Rank: 1, Hop: hop, Operation: "Work", Kind: result.KindSelf, BaselineMS: 1, NowMS: 201, AddedMS: 200, Share: 1}}
	}
	return r
}

// looking runs a watcher whose looks follow a script, one verdict per look: a hop, "none" or
// "unsure"; the last one repeats.
func looking(t *testing.T, o *oracle, script []string, rs ...watch.Receiver) (w *watch.Watcher, stop func()) {
	t.Helper()
	n := 0
	look := func(context.Context, time.Time) (result.Result, error) {
		verdict := script[min(n, len(script)-1)]
		n++
		switch verdict {
		case result.None, result.Unsure:
			return found(verdict, ""), nil
		}
		return found(result.Spike, verdict), nil
	}
	w, err := watch.New(watch.Config{Dir: t.TempDir(), Diagnose: o.diagnose, Look: look, Receivers: rs, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	return w, func() { cancel(); <-done }
}

// history returns what GET /incidents answers.
func history(t *testing.T, w *watch.Watcher) watch.History {
	t.Helper()
	out := httptest.NewRecorder()
	w.Handler(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, "", nil).ServeHTTP(out, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/incidents", nil))
	var h watch.History
	if err := json.Unmarshal(out.Body.Bytes(), &h); err != nil {
		t.Fatalf("%v: %s", err, out.Body)
	}
	return h
}

// TestLook posts what two looks and the diagnosis agree on, before any alert, and nothing
// else.
func TestLook(t *testing.T) {
	for _, c := range []struct {
		why    string
		script string
		sureAt int // diagnosis
		posts  int
	}{
		{"nothing is found", "none none unsure none", 1, 0},
		{"one look is not enough", "none a none none none none none none none none none none none none none none none none a none", 1, 0},
		{"looks that disagree", "none a b a b a b none", 1, 0},
		{"the diagnosis is not sure", "none a a a a none", 0, 0},
		{"the diagnosis names another hop", "none b b b b none", 1, 0},
		{"found; what follows is the end of the same incident", "none a a a a none", 1, 2},
		{"a pause shorter than the quiet time", "none a a a none none none none a a a none", 1, 2},
	} {
		hook, url := serve(t, "")
		synctest.Test(t, func(t *testing.T) {
			_, stop := looking(t, &oracle{sureAt: c.sureAt, hop: "a"}, strings.Fields(c.script), receiver(t, url, watch.Secrets{}))
			time.Sleep(5 * time.Minute)
			stop()
		})
		bodies, _ := hook.got()
		if len(bodies) != c.posts {
			t.Errorf("%s: %d posts, want %d: %s", c.why, len(bodies), c.posts, bodies)
		}
	}
}

// TestLookIsPrompt posts as soon as the second look has found the same, and makes one
// incident of that and of the alert that follows.
func TestLookIsPrompt(t *testing.T) {
	hook, url := serve(t, "")
	synctest.Test(t, func(t *testing.T) {
		w, stop := looking(t, &oracle{sureAt: 1, hop: "a"}, []string{"none", "a"}, receiver(t, url, watch.Secrets{}))
		time.Sleep(4*time.Second + 600*time.Millisecond)
		if bodies, _ := hook.got(); len(bodies) != 1 {
			t.Errorf("%d posts after the second look", len(bodies))
		}
		time.Sleep(10 * time.Second)
		send(t, w, "firing", "a", "b")
		time.Sleep(time.Minute)
		if i := history(t, w).Incidents[0]; i.Alerted == nil || i.Alerted.Sub(i.Paged) < 10*time.Second {
			t.Errorf("noticed at %s, alerted at %v", i.Paged, i.Alerted)
		}
		stop()
	})
	bodies, _ := hook.got()
	if len(bodies) != 1 {
		t.Errorf("%d posts, want 1: %s", len(bodies), bodies)
	}
	if strings.Contains(bodies[0], `"alerted"`) {
		t.Errorf("an alert before one fired: %s", bodies[0])
	}
}

// TestAlertOfAPresumedIncident does not post an alert that flaps because a look found
// something that the diagnosis is not sure of.
func TestAlertOfAPresumedIncident(t *testing.T) {
	hook, url := serve(t, "")
	synctest.Test(t, func(t *testing.T) {
		w, stop := looking(t, &oracle{hop: "a"}, []string{"none", "a", "a", "a", "a", "a", "none"}, receiver(t, url, watch.Secrets{}))
		time.Sleep(8 * time.Second)
		send(t, w, "firing", "a")
		time.Sleep(time.Second)
		send(t, w, "resolved", "a")
		time.Sleep(5 * time.Minute)
		stop()
	})
	if bodies, _ := hook.got(); len(bodies) != 0 {
		t.Errorf("%d posts: %s", len(bodies), bodies)
	}
}

// TestTimes calls paged only what an alert did.
func TestTimes(t *testing.T) {
	at := func(s int) *time.Time {
		at := time.Date(2026, 11, 27, 12, 0, s, 0, time.UTC)
		return &at
	}
	for _, c := range []struct {
		alerted *time.Time
		want    string
	}{
		{at(6), "Began, Paged 12:00:06 (+6 s), Named not yet, Recovered not yet"},
		{at(20), "Began, Found 12:00:06 (+6 s), Paged 12:00:20 (+20 s), Named not yet, Recovered not yet"},
		{nil, "Began, Found 12:00:06 (+6 s), Paged no alert, Named not yet, Recovered not yet"},
	} {
		got := "Began"
		for _, v := range (watch.Message{Began: *at(0), Paged: *at(6), Alerted: c.alerted}).Times()[1:] {
			got += ", " + v[0] + " " + v[1]
		}
		if got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestMessageLinks links to the incident's page, says that no alert fired, and diagnoses
// the entry that a look found only while no rule has fired.
func TestMessageLinks(t *testing.T) {
	hook, url := serve(t, "")
	slack, api := serve(t, `{"ok":true,"channel":"C1","ts":"17.5"}`)
	var asked []string
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{sureAt: 1, hop: "a"}
		w, err := watch.New(watch.Config{Dir: t.TempDir(), Console: "http://console:8000/", Logger: slog.New(slog.DiscardHandler),
			Look: func(context.Context, time.Time) (result.Result, error) { return found(result.Spike, "a"), nil },
			Diagnose: func(ctx context.Context, q watch.Question) (result.Result, error) {
				asked = append(asked, q.Entry)
				return o.diagnose(ctx, q)
			},
			Receivers: []watch.Receiver{receiver(t, url, watch.Secrets{}), receiver(t, "slack://C1", watch.Secrets{Slack: "xoxb-1", SlackAPI: api + "/"})}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		time.Sleep(10 * time.Second)
		send(t, w, "firing", "b")
		time.Sleep(time.Minute)
		cancel()
		<-done
	})
	bodies, _ := hook.got()
	m := decode(t, bodies[0])
	if m.URL != "http://console:8000/incidents/"+m.ID || m.Alerts != "none; tenhop found it" || m.Count != 0 {
		t.Errorf("the message is %s", bodies[0])
	}
	if sent, _ := slack.got(); !strings.Contains(sent[0], neturl.QueryEscape(strconv.Quote(m.URL)[1:len(m.URL)+1]+"|Open the incident")) {
		t.Errorf("Slack gets no link: %s", sent[0])
	}
	if first, last := asked[0], asked[len(asked)-1]; first != "POST /order" || last != "" {
		t.Errorf("diagnosed the entries %q", asked)
	}
}

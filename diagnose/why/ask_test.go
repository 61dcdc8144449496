package why_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/why"
)

// The process of the first finding about self time is asked, and its answer is of the
// operation.
func TestExplain(t *testing.T) {
	p := start(t, func(http.ResponseWriter, *http.Request) { time.Sleep(20 * time.Millisecond) })
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				if resp, err := http.Get(p.service.URL + "/work"); err == nil {
					resp.Body.Close()
				}
			}
		}
	}()
	res := result.Result{Findings: []result.Finding{{Hop: "other", Kind: result.KindQueue}, {Hop: "shop", Operation: "GET /work", Kind: result.KindSelf, AddedMS: 15}}}
	processes := map[string]why.Process{"shop": {Name: "shop-1", URL: p.admin.URL, Token: token}}
	if err := why.Explain(t.Context(), http.DefaultClient, processes, &res); err != nil {
		t.Fatal(err)
	}
	w := res.Findings[1].Why
	if w == nil || w.Instance != "shop-1" || w.Parts[0].Kind != result.OwnSleep || w.Slow < why.Enough/2 {
		t.Errorf("%+v", w)
	}
	if s := res.Sources[0]; !s.OK || s.Name != "flight" {
		t.Errorf("%+v", s)
	}
}

// What fails is an error and is in the sources, with what to do.
func TestExplainErrors(t *testing.T) {
	p := start(t, func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		why, want string
		processes map[string]why.Process
	}{
		{"no process is known", "no admin port of shop is known", nil},
		{"the token is wrong", "give the token of the admin port", map[string]why.Process{"shop": {URL: p.admin.URL, Token: "x"}}},
		{"there is no recorder", "mount flight.Handler", map[string]why.Process{"shop": {URL: p.service.URL, Token: token}}},
		{"nothing listens", "connection refused", map[string]why.Process{"shop": {URL: "http://127.0.0.1:1"}}},
	} {
		res := result.Result{Findings: []result.Finding{{Hop: "shop", Kind: result.KindSelf}}}
		err := why.Explain(t.Context(), http.DefaultClient, c.processes, &res)
		if s := res.Sources[0]; err == nil || s.OK || !strings.Contains(s.Error, c.want) {
			t.Errorf("%s: %+v, error %v", c.why, s, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	if _, err := why.Read(strings.NewReader("no trace"), "", 0); err == nil || !strings.Contains(err.Error(), "no execution trace") {
		t.Errorf("%v", err)
	}
	p := start(t, func(http.ResponseWriter, *http.Request) {})
	content := p.record(t, 4, 1)
	var none *why.NoRequestsError
	if _, err := why.Read(strings.NewReader(string(content)), "GET /other", 0); !errors.As(err, &none) || len(none.Others) != 1 {
		t.Errorf("%v", err)
	}
}

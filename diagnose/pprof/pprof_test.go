package pprof_test

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	httppprof "net/http/pprof"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/pprof"
	"github.com/tenhop/tenhop/diagnose/result"
)

//go:noinline
func burn(until time.Time) (n int) {
	for time.Now().Before(until) {
		for i := range 1_000_000 {
			n += i * n
		}
	}
	return n
}

//go:noinline
func contend(mu *sync.Mutex) {
	mu.Lock()
	time.Sleep(2 * time.Millisecond)
	mu.Unlock()
}

// service is one that serves net/http/pprof behind a token.
func service(t *testing.T) pprof.Service {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", httppprof.Index)
	mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "send the token", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	runtime.SetMutexProfileFraction(1)
	t.Cleanup(func() { runtime.SetMutexProfileFraction(0) })
	return pprof.Service{URL: srv.URL, Token: "secret"}
}

// Profiles without a spike are stored. Those of a spike are compared with them and show
// the functions that use CPU and that wait.
func TestExplainNamesFunctions(t *testing.T) {
	payment, dir := service(t), t.TempDir()
	services := map[string]pprof.Service{"payment": payment}
	quiet := result.Result{Verdict: result.None}
	if err := pprof.Explain(t.Context(), http.DefaultClient, services, dir, &quiet); err != nil {
		t.Error(err)
	}
	if s := quiet.Sources[0]; !s.OK || s.Read != 3 {
		t.Fatalf("%+v", s)
	}

	stop := time.Now().Add(pprof.Length + time.Second)
	var busy sync.WaitGroup
	var mu sync.Mutex
	busy.Go(func() { burn(stop) })
	for range 3 {
		busy.Go(func() {
			for time.Now().Before(stop) {
				contend(&mu)
			}
		})
	}
	slow := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Hop: "payment", Kind: result.KindSelf}}}
	if err := pprof.Explain(t.Context(), http.DefaultClient, services, dir, &slow); err != nil {
		t.Error(err)
	}
	busy.Wait()
	if s := slow.Sources[0]; !s.OK || s.Note != "" {
		t.Fatalf("%+v", s)
	}
	for kind, want := range map[string]string{"cpu": ".burn", "mutex": ".contend"} {
		found := false
		for _, h := range slow.Findings[0].Profile {
			if h.Type == kind {
				found = strings.HasSuffix(h.Function, want) && h.Compared && h.NowMS > h.BeforeMS
				break // the functions are in order
			}
		}
		if !found {
			t.Errorf("%s does not begin with %s: %+v", kind, want, slow.Findings[0].Profile)
		}
	}
}

func TestErrorsAreInSources(t *testing.T) {
	s := service(t)
	s.Token = "wrong"
	bomb := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		z := gzip.NewWriter(w)
		defer z.Close()
		for zeros := make([]byte, 1<<20); ; {
			if _, err := z.Write(zeros); err != nil {
				return // the client has closed the connection
			}
		}
	}))
	defer bomb.Close()
	for _, c := range []struct {
		why, want string
		services  map[string]pprof.Service
	}{
		{"the token is refused", "401 Unauthorized: send the token", map[string]pprof.Service{"payment": s}},
		{"no endpoint is known", "no pprof endpoint of payment is known", nil},
		{"it never ends", "longer than", map[string]pprof.Service{"payment": {URL: bomb.URL}}},
		{"nothing listens", "connection refused", map[string]pprof.Service{"payment": {URL: "http://127.0.0.1:1"}}},
	} {
		res := result.Result{Verdict: result.Spike, Findings: []result.Finding{{Hop: "payment"}}}
		err := pprof.Explain(t.Context(), http.DefaultClient, c.services, t.TempDir(), &res)
		if src := res.Sources[0]; src.OK || !strings.Contains(src.Error, c.want) || err == nil {
			t.Errorf("%s: %+v, error %v", c.why, src, err)
		}
	}
}

package flight_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime/trace"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/middleware/flight"
)

func ask(t *testing.T, h http.Handler, method, query, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, flight.Path+query, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRefusals(t *testing.T) {
	h := flight.Handler("secret")
	for _, c := range []struct {
		why, method, query, token string
		h                         http.Handler
		want                      int
	}{
		{"no token is configured", "GET", "", "", flight.Handler(""), 404},
		{"an empty token is none", "GET", "", "x", flight.Handler(""), 404},
		{"no token is sent", "GET", "", "", h, 401},
		{"the token is wrong", "GET", "", "secre", h, 401},
		{"it changes the process", "POST", "", "secret", h, 405},
		{"it has an end", "GET", "?seconds=31", "secret", h, 400},
		{"NaN is no number of seconds", "GET", "?seconds=NaN", "secret", h, 400},
		{"less than none", "GET", "?requests=-1", "secret", h, 400},
		{"a duration has a unit", "GET", "?slower=5", "secret", h, 400},
	} {
		if got := ask(t, c.h, c.method, c.query, c.token); got.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.why, got.Code, c.want, got.Body)
		}
	}
	if trace.IsEnabled() {
		t.Error("a refused request records")
	}
}

// One recording at a time, and a pause after it.
func TestOneAtATime(t *testing.T) {
	h := flight.Handler("secret")
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- ask(t, h, "GET", "?seconds=0.5", "secret") }()
	for !trace.IsEnabled() {
		time.Sleep(time.Millisecond)
	}
	for name, c := range map[string]struct {
		h    http.Handler
		want int
	}{"the same handler": {h, 429}, "another handler": {flight.Handler("secret"), 409}} {
		w := ask(t, c.h, "GET", "", "secret")
		if n, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != c.want || err != nil || n < 1 {
			t.Errorf("%s: %d, Retry-After %q: %s", name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	first := <-done
	if first.Code != http.StatusOK || !bytes.HasPrefix(first.Body.Bytes(), []byte("go 1.")) {
		t.Errorf("the recording: %d, %.20q", first.Code, first.Body.String())
	}
	if w := ask(t, h, "GET", "", "secret"); w.Code != 429 {
		t.Errorf("right after a recording: %d", w.Code)
	}
	if trace.IsEnabled() {
		t.Error("it still records")
	}
}

// A recorder of the service itself is left alone.
func TestForeignRecorder(t *testing.T) {
	own := trace.NewFlightRecorder(trace.FlightRecorderConfig{})
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	defer own.Stop()
	if w := ask(t, flight.Handler("secret"), "GET", "?seconds=0.1", "secret"); w.Code != 409 || !strings.Contains(w.Body.String(), "another flight recorder") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if _, err := own.WriteTo(io.Discard); err != nil {
		t.Error(err)
	}
}

package lokilog_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/lokilog"
)

func dropped(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() == "tenhop_loki_lines_dropped_total" {
			return mf.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("the counter is not registered")
	return 0
}

func TestCloseFlushesLinesWithTheirLevel(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if raw, err = snappy.Decode(nil, raw); err != nil {
			t.Error(err)
		}
		var p push.PushRequest
		if err := p.Unmarshal(raw); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, s := range p.Streams {
			for _, e := range s.Entries {
				got[e.Line] = s.Labels + " " + r.Header.Get("X-Scope-OrgID")
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer srv.Close()
	reg := prometheus.NewRegistry()
	w, err := lokilog.New(srv.URL+"/loki/api/v1/push", "payment", lokilog.WithTenant("team-a"), lokilog.WithRegisterer(reg))
	if err != nil {
		t.Fatal(err)
	}
	logger := zerolog.New(w)
	logger.Info().Msg("charged")
	logger.Error().Msg("declined")
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	logger.Info().Msg("late") // after Close: counted, no panic
	want := map[string]string{`{"level":"info","message":"charged"}`: `{level="info", service="payment"} team-a`, `{"level":"error","message":"declined"}`: `{level="error", service="payment"} team-a`}
	if fmt.Sprint(got) != fmt.Sprint(want) || dropped(t, reg) != 1 {
		t.Errorf("Loki got %v, want %v; %v dropped", got, want, dropped(t, reg))
	}
}

func TestLokiThatHangsBlocksNobody(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer srv.Close()
	defer close(release)
	reg := prometheus.NewRegistry()
	w, err := lokilog.New(srv.URL+"/loki/api/v1/push", "payment", lokilog.WithQueue(16, 1<<20), lokilog.WithBatchWait(time.Millisecond), lokilog.WithRegisterer(reg))
	if err != nil {
		t.Fatal(err)
	}
	const lines = 20000
	logger := zerolog.New(w)
	for range lines { // would never end if a write waited for Loki
		logger.Info().Msg("charged")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Close(ctx); err == nil {
		t.Error("Close claims that the lines were sent")
	}
	if n := dropped(t, reg); n < 1 || n > lines {
		t.Errorf("%v lines counted as dropped", n)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	reg := prometheus.NewRegistry()
	w, err := lokilog.New("http://127.0.0.1:9/loki/api/v1/push", "payment", lokilog.WithQueue(1000, 100), lokilog.WithRegisterer(reg))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write([]byte(strings.Repeat("x", 101))); n != 101 || err != nil || dropped(t, reg) != 1 {
		t.Errorf("%d, %v, %v dropped", n, err, dropped(t, reg))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := w.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestWrongUse(t *testing.T) {
	for why, f := range map[string]func() (*lokilog.Writer, error){
		"no URL":     func() (*lokilog.Writer, error) { return lokilog.New("loki:3100", "payment") },
		"no service": func() (*lokilog.Writer, error) { return lokilog.New("http://loki:3100/x", "") },
		"empty queue": func() (*lokilog.Writer, error) {
			return lokilog.New("http://loki:3100/x", "p", lokilog.WithQueue(0, 1))
		},
		"bad label": func() (*lokilog.Writer, error) {
			return lokilog.New("http://loki:3100/x", "p", lokilog.WithLabels(map[string]string{"a b": "c"}))
		},
	} {
		if _, err := f(); err == nil {
			t.Errorf("%s: no error", why)
		}
	}
}

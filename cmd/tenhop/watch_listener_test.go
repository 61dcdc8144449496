package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/watch"
)

// TestListenerEnds fails when the listener for alerts ends, and not when the context does.
func TestListenerEnds(t *testing.T) {
	for _, breaks := range []bool{true, false} {
		w, err := watch.New(watch.Config{Dir: t.TempDir(), Diagnose: func(context.Context, watch.Question) (result.Result, error) { return result.Result{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		end := cancel
		if breaks {
			end = func() { _ = l.Close() }
		}
		time.AfterFunc(50*time.Millisecond, end)
		err = serveAlerts(ctx, w, l, w.Handler(l.Addr(), "", nil))
		cancel()
		if breaks != (err != nil && strings.Contains(err.Error(), "the listener for alerts ended")) {
			t.Errorf("listener breaks %v: %v", breaks, err)
		}
	}
}

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// liveEvery is how often the map is computed while somebody looks at it.
const liveEvery = 2 * time.Second

// hub computes what is live once and sends it to every open page. It works
// only while there is one.
type hub struct {
	compute func(context.Context) any
	closed  <-chan struct{}

	mu     sync.Mutex
	subs   map[chan event]struct{}
	last   map[string]event
	cancel context.CancelFunc
}

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

func newHub(compute func(context.Context) any, closed <-chan struct{}) *hub {
	return &hub{compute: compute, closed: closed, subs: map[chan event]struct{}{}, last: map[string]event{}}
}

// publish sends v to every page and to those that come later. A page that is
// too slow to take it gets the next one.
func (h *hub) publish(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := event{name, data}
	h.last[name] = e
	for ch := range h.subs {
		select {
		case ch <- e:
		default:
		}
	}
	return nil
}

func (h *hub) subscribe() (chan event, func()) {
	ch := make(chan event, 8)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.last {
		ch <- e
	}
	h.subs[ch] = struct{}{}
	if len(h.subs) == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		h.cancel = cancel
		go h.run(ctx)
	}
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, ch)
		if len(h.subs) == 0 {
			h.cancel()
			delete(h.last, "now") // the next page must not see an old map
		}
	}
}

func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		v := h.compute(ctx)
		if ctx.Err() != nil {
			return
		}
		// A snapshot is made of numbers and strings, which always marshal.
		_ = h.publish("now", v)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serve streams events until the page or the console goes.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	ch, leave := h.subscribe()
	defer leave()
	for {
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-h.closed:
			return
		case e := <-ch:
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.name, e.data); err != nil {
				return
			}
		}
	}
}

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// liveEvery is the interval at which the map is computed while a page is open.
const liveEvery = 2 * time.Second

// hub computes the service map and sends it to all open pages. It does nothing while no
// page is open.
type hub struct {
	compute func(context.Context) any
	closed  <-chan struct{}

	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	last   map[string]event
	cancel context.CancelFunc
}

// subscriber is an open page. It holds the newest unsent event of each name, so a slow
// page may miss events but always receives the last one.
type subscriber struct {
	wake    chan struct{}
	pending map[string]event
}

// Bounds of the streams.
const (
	maxStreams  = 100
	sendsWithin = 10 * time.Second // write timeout for pages that do not read
)

// event is one server-sent event.
type event struct {
	name string
	data []byte
}

func newHub(compute func(context.Context) any, closed <-chan struct{}) *hub {
	return &hub{compute: compute, closed: closed, subs: map[*subscriber]struct{}{}, last: map[string]event{}}
}

// publish sends v to all current and future pages, unless ctx has ended.
func (h *hub) publish(ctx context.Context, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	e := event{name, data}
	h.last[name] = e
	for s := range h.subs {
		s.take(e)
	}
	return nil
}

func (s *subscriber) take(e event) {
	s.pending[e.name] = e
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// unsent returns the events that the subscriber has not received, by name.
func (h *hub) unsent(s *subscriber) []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []event
	for _, name := range slices.Sorted(maps.Keys(s.pending)) {
		out = append(out, s.pending[name])
	}
	clear(s.pending)
	return out
}

// subscribe adds a page. It returns false if there are too many.
func (h *hub) subscribe() (s *subscriber, leave func(), ok bool) {
	s = &subscriber{wake: make(chan struct{}, 1), pending: map[string]event{}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) >= maxStreams {
		return nil, nil, false
	}
	for _, e := range h.last {
		s.take(e)
	}
	h.subs[s] = struct{}{}
	if len(h.subs) == 1 {
		ctx, cancel := context.WithCancel(context.Background())
		h.cancel = cancel
		go h.run(ctx)
	}
	return s, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, s)
		if len(h.subs) == 0 {
			h.cancel()
			delete(h.last, "now") // the next page must not receive an old map
		}
	}, true
}

func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		// A snapshot consists of numbers and strings, so marshalling cannot fail.
		_ = h.publish(ctx, "now", h.compute(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serve streams events until the page is closed or the console stops.
func (h *hub) serve(w http.ResponseWriter, r *http.Request) {
	s, leave, ok := h.subscribe()
	if !ok {
		writeError(w, &apiError{http.StatusServiceUnavailable, "too many pages follow this console; close some"})
		return
	}
	defer leave()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	for {
		// Not every server has deadlines; a test's recorder has none.
		_ = out.SetWriteDeadline(time.Now().Add(sendsWithin))
		for _, e := range h.unsent(s) {
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.name, e.data); err != nil {
				return
			}
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-h.closed:
			return
		case <-s.wake:
		}
	}
}

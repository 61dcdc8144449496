package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// events are a topic of a test, a publisher for it, and a consumer group.
type events struct {
	broker storetest.Broker
	topic  string
	group  string
}

// onEachBroker runs test on a topic of its own, whose consumer group exists.
func onEachBroker(t *testing.T, test func(t *testing.T, e events)) {
	storetest.EachBroker(t, func(t *testing.T, b storetest.Broker) {
		e := events{broker: b, topic: "test." + uuid.NewString(), group: "readers-" + uuid.NewString()}
		t.Cleanup(func() { b.Remove(t, e.topic, e.group) })
		declaring := e.env(t, e.group, mwtest.New(t))
		if _, err := declaring.Consumer(t.Context(), e.topic); err != nil {
			t.Fatal(err)
		}
		if err := declaring.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		test(t, e)
	})
}

func (e events) env(t *testing.T, name string, rec *mwtest.Recorder) *runtime.Env {
	t.Helper()
	env := &runtime.Env{Name: name, Telemetry: rec.Telemetry}
	e.broker.Configure(&env.Config)
	t.Cleanup(func() { _ = env.Close() })
	return env
}

func (e events) publisher(t *testing.T, rec *mwtest.Recorder) runtime.Publisher {
	t.Helper()
	p, err := e.env(t, "writer", rec).Publisher()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (e events) consumer(t *testing.T, rec *mwtest.Recorder) runtime.Consumer {
	t.Helper()
	c, err := e.env(t, e.group, rec).Consumer(t.Context(), e.topic)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// consume runs a consumer until the returned function is called.
func consume(t *testing.T, c runtime.Consumer, handle runtime.EventFunc) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Consume(ctx, handle) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Consume returned %v", err)
		}
	})
}

func (e events) publish(t *testing.T, p runtime.Publisher, key, value string) {
	t.Helper()
	if err := p.Publish(t.Context(), runtime.Event{Topic: e.topic, Key: key, Value: []byte(value)}); err != nil {
		t.Fatal(err)
	}
}

// within waits for a value.
func within[T any](t *testing.T, d time.Duration, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(d):
		t.Fatalf("%s: nothing within %s", what, d)
	}
	return v
}

// Events of an order are handled one after the other, also when an attempt fails, and those
// of different orders side by side.
func TestEventsOfAKeyKeepTheirOrder(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		const keys, each = 8, 12
		rec := mwtest.New(t)
		c, p := e.consumer(t, rec), e.publisher(t, rec)
		var mu sync.Mutex
		got, active, together := map[string][]string{}, map[string]int{}, 0
		all := make(chan struct{})
		left := keys * each
		defer consume(t, c, func(_ context.Context, ev runtime.Event) error {
			mu.Lock()
			active[ev.Key]++
			if active[ev.Key] > 1 {
				t.Errorf("two events of %s at a time", ev.Key)
			}
			together = max(together, len(active))
			fails := len(got[ev.Key])%5 == 4 && rand.N(2) == 0
			mu.Unlock()
			time.Sleep(time.Duration(rand.N(5)) * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if active[ev.Key]--; active[ev.Key] == 0 {
				delete(active, ev.Key)
			}
			if fails {
				return errors.New("try again")
			}
			got[ev.Key] = append(got[ev.Key], string(ev.Value))
			if left--; left == 0 {
				close(all)
			}
			return nil
		})()
		var publishers sync.WaitGroup
		for k := range keys {
			publishers.Go(func() {
				for i := range each {
					e.publish(t, p, fmt.Sprintf("order %d", k), fmt.Sprintf("%03d", i))
				}
			})
		}
		publishers.Wait()
		within(t, 30*time.Second, "all events", all)
		mu.Lock()
		defer mu.Unlock()
		for key, values := range got {
			if !slices.IsSorted(values) || len(values) != each {
				t.Errorf("%s: %v", key, values)
			}
		}
		if together < 2 {
			t.Error("no two orders were handled at a time")
		}
	})
}

// An event whose consumer ends before it is handled is delivered to the next consumer.
func TestAnEventIsHandledAtLeastOnce(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		rec := mwtest.New(t)
		first, p := e.env(t, e.group, rec), e.publisher(t, rec)
		c, err := first.Consumer(t.Context(), e.topic)
		if err != nil {
			t.Fatal(err)
		}
		attempts := make(chan string, 100)
		stop := consume(t, c, func(ctx context.Context, ev runtime.Event) error {
			attempts <- string(ev.Value)
			if string(ev.Value) == "unlucky" {
				return errors.New("not now")
			}
			return nil
		})
		e.publish(t, p, "a", "unlucky")
		within(t, 20*time.Second, "the first attempt", attempts)
		within(t, 20*time.Second, "the second attempt", attempts)
		stop()
		if err := first.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		again := make(chan string, 100)
		defer consume(t, e.consumer(t, rec), func(_ context.Context, ev runtime.Event) error {
			again <- string(ev.Value)
			return nil
		})()
		if got := within(t, 30*time.Second, "the next consumer", again); got != "unlucky" {
			t.Errorf("the next consumer got %q", got)
		}
	})
}

// An event that nobody can process becomes a dead letter of the request's trace. Those
// behind it are handled.
func TestADeadLetterHoldsUpNobody(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		rec := mwtest.New(t)
		c, p := e.consumer(t, rec), e.publisher(t, rec)
		dead := e.broker.DeadLetters(t, e.topic, e.group)
		handled := make(chan string, 10)
		defer consume(t, c, func(_ context.Context, ev runtime.Event) error {
			if string(ev.Value) == "{" {
				return runtime.Unprocessable(errors.New("it is no JSON"))
			}
			handled <- string(ev.Value)
			return nil
		})()
		const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		ctx := hop.Restore(t.Context(), map[string]string{"traceparent": parent, "x-correlation-id": "of-the-order"})
		if err := p.Publish(ctx, runtime.Event{Topic: e.topic, Key: "k", Value: []byte("{")}); err != nil {
			t.Fatal(err)
		}
		e.publish(t, p, "k", "behind it")
		if got := within(t, 30*time.Second, "the event behind it", handled); got != "behind it" {
			t.Errorf("handled %q", got)
		}
		m := dead.Find(func(storetest.Message) bool { return true })
		if string(m.Value) != "{" || m.Headers["reason"] != "it is no JSON" {
			t.Errorf("dead letter %q, headers %v", m.Value, m.Headers)
		}
		if !strings.HasPrefix(m.Headers["traceparent"], parent[:35]) || header(m, "x-correlation-id") != "of-the-order" {
			t.Errorf("the dead letter is of another request: %v", m.Headers)
		}
	})
}

func header(m storetest.Message, name string) string {
	for key, value := range m.Headers {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// Publication and processing are two spans of the request's trace, with its correlation ID
// and a measured queue wait.
func TestAnEventStaysInTheRequestsTrace(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		rec := mwtest.New(t)
		c, p := e.consumer(t, rec), e.publisher(t, rec)
		ctx := hop.Restore(t.Context(), map[string]string{
			"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-correlation-id": "c-1"})
		if err := p.Publish(ctx, runtime.Event{Topic: e.topic, Key: "k", Value: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		const lag = 200 * time.Millisecond
		time.Sleep(lag)
		ids := make(chan string, 10)
		stop := consume(t, c, func(ctx context.Context, _ runtime.Event) error {
			ids <- hop.CorrelationID(ctx)
			return nil
		})
		defer stop()
		if id := within(t, 30*time.Second, "the event", ids); id != "c-1" {
			t.Errorf("correlation ID %q", id)
		}
		stop()
		traces := map[string]string{}
		for _, s := range rec.Spans() {
			if s.Name == "send "+e.topic || s.Name == "process "+e.topic {
				traces[s.Name] = s.SpanContext.TraceID().String()
			}
		}
		for _, name := range []string{"send " + e.topic, "process " + e.topic} {
			if traces[name] != "0af7651916cd43dd8448eb211c80319c" {
				t.Errorf("%s is in trace %q", name, traces[name])
			}
		}
		if n, s := rec.Count("hop_queue_wait_seconds", "operation", "process "+e.topic), rec.Sum("hop_queue_wait_seconds", "operation", "process "+e.topic); n != 1 || s < lag.Seconds() {
			t.Errorf("%d queue waits of %v s, want 1 of at least %v", n, s, lag)
		}
	})
}

// A broker refuses what is too large on every attempt. It is not sent.
func TestATooLargeEventIsRefused(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		p := e.publisher(t, mwtest.New(t))
		err := p.Publish(t.Context(), runtime.Event{Topic: e.topic, Key: "k", Value: make([]byte, 2<<20)})
		if !runtime.Refused(err) {
			t.Errorf("%v", err)
		}
		e.publish(t, p, "k", "small")
	})
}

// The lag is the number of events that a consumer group has not taken, also while it has
// no consumer.
func TestLag(t *testing.T) {
	onEachBroker(t, func(t *testing.T, e events) {
		rec := mwtest.New(t)
		p := e.publisher(t, rec)
		const n = 5
		for i := range n {
			e.publish(t, p, fmt.Sprint(i), "v")
		}
		lag := func(want int64) {
			t.Helper()
			var got int64
			var err error
			for range 500 {
				if got, err = p.Lag(t.Context(), e.topic, e.group); got == want && err == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Fatalf("lag %d (%v), want %d", got, err, want)
		}
		lag(n)
		seen := make(chan string, 10*n)
		stop := consume(t, e.consumer(t, rec), func(_ context.Context, ev runtime.Event) error { seen <- ev.Key; return nil })
		defer stop()
		for range n {
			within(t, 30*time.Second, "the events", seen)
		}
		lag(0)
		stop()
		e.publish(t, p, "late", "v")
		lag(1)
	})
}

//go:build unix

package runtime_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/runtime/storetest"
)

// RabbitMQ is killed twice while events are published and consumed. What a publisher
// repeats until it succeeds, as an outbox does, arrives; publisher and consumer connect
// again by themselves.
func TestNothingIsLostWhenRabbitMQRestarts(t *testing.T) {
	storetest.RabbitMQ(t) // with the other tests on real servers
	server := storetest.StartRabbitMQ(t)
	e := events{broker: storetest.Broker{AMQP: server.URL}, topic: "test.restart", group: "readers"}
	rec := mwtest.New(t)
	c, p := e.consumer(t, rec), e.publisher(t, rec)
	const n = 300
	seen := make(chan string, 10*n)
	defer consume(t, c, func(_ context.Context, ev runtime.Event) error {
		seen <- string(ev.Value)
		return nil
	})()
	repeated, confirmed := 0, make(chan int)
	go func() {
		for i := range n {
			for p.Publish(t.Context(), runtime.Event{Topic: e.topic, Key: fmt.Sprint(i % 7), Value: fmt.Append(nil, i)}) != nil {
				repeated++
				time.Sleep(50 * time.Millisecond)
			}
			confirmed <- i
		}
		close(confirmed)
	}()
	for i := range confirmed {
		if i == n/3 || i == 2*n/3 {
			server.Kill()
			server.Start()
		}
	}
	if repeated == 0 {
		t.Error("no publication failed, so the test has shown nothing")
	}
	got := map[string]int{}
	deliveries := 0
	for len(got) < n {
		got[within(t, time.Minute, "all events", seen)]++
		deliveries++
	}
	t.Logf("%d events, %d publications repeated, %d deliveries", n, repeated, deliveries)
}

// stalling passes connections on to a broker until it stalls them: it then takes nothing more
// from the client and, if both is set, from the broker. They stay open.
type stalling struct{ client, both atomic.Bool }

// listen returns the address of the proxy, which ends with the test.
func (s *stalling) listen(t *testing.T, broker string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = l.Close() })
	pass := func(to, from net.Conn, stalled func() bool) {
		defer to.Close()
		defer from.Close()
		defer context.AfterFunc(ctx, func() { _ = from.Close() })()
		chunk := make([]byte, 4096)
		for {
			for stalled() && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			n, err := from.Read(chunk)
			for stalled() && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond)
			}
			if _, failed := to.Write(chunk[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", broker)
			if err != nil {
				_ = client.Close()
				continue
			}
			go pass(server, client, s.client.Load)
			go pass(client, server, s.both.Load)
		}
	}()
	return l.Addr().String()
}

// A RabbitMQ that takes nothing more, since it lacks memory or is stopped, holds up neither
// publications beyond their time nor the end of the service. One that lacks memory still
// sends heartbeats.
func TestAStuckRabbitMQHoldsUpNobody(t *testing.T) {
	for name, both := range map[string]bool{"lacks memory": false, "is stopped": true} {
		t.Run("rabbitmq/"+name, func(t *testing.T) {
			broker := storetest.Broker{AMQP: storetest.RabbitMQ(t)}
			var s stalling
			e := events{broker: broker.At(s.listen(t, broker.Addr())), topic: "test." + uuid.NewString(), group: "readers-" + uuid.NewString()}
			t.Cleanup(func() { broker.Remove(t, e.topic, e.group) })
			env := e.env(t, e.group, mwtest.New(t))
			c, err := env.Consumer(t.Context(), e.topic)
			if err != nil {
				t.Fatal(err)
			}
			seen := make(chan string, 10)
			stop := consume(t, c, func(_ context.Context, ev runtime.Event) error { seen <- ev.Key; return nil })
			e.publish(t, c, "before", "v")
			within(t, 20*time.Second, "the event before", seen)
			s.client.Store(true)
			s.both.Store(both)
			ends := func(what string, f func(context.Context) error) {
				t.Helper()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				ended := make(chan error, 1)
				began := time.Now()
				go func() { ended <- f(ctx) }()
				select {
				case err := <-ended:
					t.Logf("%s: %v after %s", what, err, time.Since(began).Round(10*time.Millisecond))
				case <-time.After(15 * time.Second):
					t.Fatalf("%s does not end", what)
				}
			}
			for i := range 3 {
				ends(fmt.Sprintf("publication %d", i), func(ctx context.Context) error {
					err := c.Publish(ctx, runtime.Event{Topic: e.topic, Key: "k", Value: []byte("v")})
					if err == nil {
						t.Error("the event was published")
					}
					return err
				})
			}
			ends("lag", func(ctx context.Context) error { _, err := c.Lag(ctx, e.topic, e.group); return err })
			ends("the consumer", func(context.Context) error { stop(); return nil })
			ends("close", func(context.Context) error { _ = env.Close(); return nil })
		})
	}
}

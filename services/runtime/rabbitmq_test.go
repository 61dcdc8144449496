//go:build unix

package runtime_test

import (
	"context"
	"fmt"
	"testing"
	"time"

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

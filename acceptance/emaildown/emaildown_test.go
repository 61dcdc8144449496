package emaildown

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tenhop/tenhop/console/servicemap"
	"github.com/tenhop/tenhop/internal/uptest"
)

// TestEmailServiceIsDown stops the process of notification for two minutes, or one in the
// short form. Orders go on, the lag alert names notification, all messages are sent
// afterwards, and none twice. It runs with the embedded broker, and with Apache Kafka and
// RabbitMQ if deploy/real/run has started them.
func TestEmailServiceIsDown(t *testing.T) {
	down := 2 * time.Minute
	switch form := os.Getenv("TENHOP_EMAIL_DOWN"); form {
	case "full":
	case "short":
		down = 75 * time.Second
	case "":
		t.Skip("SKIPPED: set TENHOP_EMAIL_DOWN to full or short: it runs a storefront for three minutes per broker")
	default:
		t.Fatalf("TENHOP_EMAIL_DOWN=%q must be full or short", form)
	}
	program := uptest.Build(t)
	for _, b := range []struct{ name, variable, flag string }{
		{"embedded", "", ""}, {"kafka", "TENHOP_TEST_KAFKA", "--kafka"}, {"rabbitmq", "TENHOP_TEST_AMQP", "--rabbitmq"},
	} {
		t.Run(b.name, func(t *testing.T) {
			args := []string{"--rps", "10"}
			if b.variable != "" {
				address := os.Getenv(b.variable)
				if address == "" {
					t.Skipf("NOT TESTED ON %s: %s is not set; deploy/real/run sets it", b.name, b.variable)
				}
				args = append(args, b.flag, address)
			}
			isDown(t, uptest.Up(t, program, args...), down)
		})
	}
}

const lag = `max(messaging_consumer_group_lag{messaging_consumer_group_name="notification"})`

func isDown(t *testing.T, s *uptest.Storefront, down time.Duration) {
	ctx := t.Context()
	within(t, time.Minute, "messages are sent", func() error {
		if n := len(column(t, s, "notification", "SELECT shipment_id FROM messages")); n < 5 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	const orders = "SELECT id FROM orders WHERE state = 'placed'"
	before := len(column(t, s, "order", orders))
	stopped := time.Now()
	if _, err := s.Inject(ctx, "notification", map[string]any{"kind": "freeze", "latency": "1s", "for": down.String()}); err != nil {
		t.Fatal(err)
	}
	within(t, down, "the alert names notification", func() error {
		if _, ok := s.Value(ctx, `ALERTS{alertname="ConsumerGroupLag",alertstate="firing",service_name="notification"}`); !ok {
			return errors.New("it does not fire")
		}
		return nil
	})
	t.Logf("ConsumerGroupLag names notification %s after its process was stopped", time.Since(stopped).Round(time.Second))
	if n, ok := s.Value(ctx, `count(ALERTS{alertname="ConsumerGroupLag",alertstate="firing",service_name!="notification"})`); ok {
		t.Errorf("the alert names %v others", n)
	}
	waiting, _ := s.Value(ctx, lag)
	within(t, 20*time.Second, "the console's map shows the queue", func() error {
		e, err := queue(ctx, s)
		if err != nil {
			return err
		}
		t.Logf("the console shows %.0f messages of %s that wait for notification, over %s", e.Waiting, e.Topic, e.Kind)
		return nil
	})
	uptest.Sleep(ctx, time.Until(stopped.Add(down)))
	placed := len(column(t, s, "order", orders)) - before
	if placed == 0 || waiting == 0 {
		t.Errorf("%d orders were placed while notification was down, and %v messages waited", placed, waiting)
	}
	shipped := column(t, s, "shipping", "SELECT id FROM shipments")
	within(t, 2*time.Minute, "all messages are sent", func() error {
		sent := map[string]int{}
		for _, id := range column(t, s, "notification", "SELECT shipment_id FROM messages") {
			sent[id]++
		}
		missing := 0
		for _, id := range shipped {
			switch n := sent[id]; {
			case n == 0:
				missing++
			case n > 1:
				t.Errorf("shipment %s has %d messages", id, n)
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d are missing", missing, len(shipped))
		}
		return nil
	})
	t.Logf("%d orders in %s without notification; %v messages waited when the alert fired; all of %d were sent %s after it went on",
		placed, down, waiting, len(shipped), time.Since(stopped.Add(down)).Round(time.Second))
}

// queue returns the edge of the console's map with the messages that wait for notification.
func queue(ctx context.Context, s *uptest.Storefront) (servicemap.Edge, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoints["console"]+"/api/live", nil)
	if err != nil {
		return servicemap.Edge{}, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return servicemap.Edge{}, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var now servicemap.Snapshot
		if !ok || json.Unmarshal([]byte(data), &now) != nil || len(now.Edges) == 0 {
			continue
		}
		for _, e := range now.Edges {
			if e.To == "notification" && e.Topic != "" && e.Waiting > 0 {
				return e, nil
			}
		}
		return servicemap.Edge{}, fmt.Errorf("no such edge of %d", len(now.Edges))
	}
	return servicemap.Edge{}, errors.Join(errors.New("the console sends no map"), lines.Err())
}

// within waits for a condition and fails with its last error.
func within(t *testing.T, d time.Duration, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(d)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v within %s", what, err, d)
		}
		uptest.Sleep(t.Context(), 500*time.Millisecond)
	}
}

// column reads a column of texts from a service's store.
func column(t *testing.T, s *uptest.Storefront, service, query string) (all []string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Dir, ".tenhop", "data", service+".db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

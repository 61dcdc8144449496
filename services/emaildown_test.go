package services_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestTheEmailServiceIsDown stops notification. Orders go on, the lag of its consumer group
// tells how many messages wait, and all of them are sent once it is back, none twice.
func TestTheEmailServiceIsDown(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: starts thirteen services")
	}
	for name, on := range map[string]func(*testing.T) systems{"kfake": standIns, "kafka": onKafka, "rabbitmq": onRabbitMQ} {
		t.Run(name, func(t *testing.T) { emailIsDown(t, start(t, on(t))) })
	}
}

func emailIsDown(t *testing.T, s *storefront) {
	var orders []string
	user := 20
	order := func(n int) {
		t.Helper()
		for range n {
			s.must(t, user, http.MethodPost, "/cart/items", `{"product_id":"p-006","quantity":1}`)
			orders = append(orders, placed(t, s.must(t, user, http.MethodPost, "/checkout", `{"payment_method":"card"}`)))
			user++
		}
	}
	sent := func() error {
		for _, id := range orders {
			if n := s.count(t, "notification", "SELECT COUNT(*) FROM messages WHERE body LIKE ?", "%"+id+"%"); n != 1 {
				return fmt.Errorf("%d messages for order %s, want 1", n, id)
			}
		}
		return nil
	}
	order(2)
	until(t, "messages are sent", sent)
	restart := s.halt(t, "notification")
	before := len(orders)
	const down = 8
	order(down)
	until(t, "the lag of notification is told", func() error {
		if n := s.lag(t, "shipping", "notification"); n < down {
			return fmt.Errorf("a lag of %v, want %d", n, down)
		}
		return nil
	})
	for _, id := range orders[before:] {
		if n := s.count(t, "notification", "SELECT COUNT(*) FROM messages WHERE body LIKE ?", "%"+id+"%"); n != 0 {
			t.Errorf("%d messages for order %s, though the service is down", n, id)
		}
	}
	restart()
	until(t, "all messages are sent, each once", sent)
	until(t, "no message waits", func() error {
		if n := s.lag(t, "shipping", "notification"); n != 0 {
			return fmt.Errorf("a lag of %v", n)
		}
		return nil
	})
	time.Sleep(300 * time.Millisecond) // for a message that comes twice
	if err := sent(); err != nil {
		t.Error(err)
	}
}

var lagLine = regexp.MustCompile(`(?m)^messaging_consumer_group_lag\{.*messaging_consumer_group_name="([^"]+)".*\} (\S+)$`)

// lag returns what a service reports as the lag of a consumer group, or -1.
func (s *storefront) lag(t *testing.T, service, group string) float64 {
	t.Helper()
	resp, err := http.Get(s.admin[service] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range lagLine.FindAllStringSubmatch(string(page), -1) {
		if m[1] == group {
			n, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return -1
}

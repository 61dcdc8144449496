package endpoint_test

import (
	"os"
	"testing"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// Two endpoints with one name, label or port would hide each other.
func TestTableIsUnambiguous(t *testing.T) {
	seen := map[any]string{}
	for _, e := range endpoint.All() {
		for _, key := range []any{e.Name, e.Port, "label " + e.Label} {
			if other, ok := seen[key]; ok {
				t.Errorf("%s and %s share %v", other, e.Name, key)
			}
			seen[key] = e.Name
		}
		if got, ok := endpoint.Named(e.Name); !ok || got != e {
			t.Errorf("Named(%q) = %v, %v", e.Name, got, ok)
		}
	}
}

func ExampleWriteTable() {
	_ = endpoint.WriteTable(os.Stdout,
		map[string]string{"kafka": "127.0.0.1:9092", "jaeger": "http://127.0.0.1:41234", "prometheus": "https://me:secret@prometheus:9090", "rabbitmq": "amqp://me:secret@rabbitmq:5672"},
		map[string]string{"jaeger": "127.0.0.1:16686"})
	// Output:
	//   Jaeger API  http://127.0.0.1:41234  (127.0.0.1:16686 is in use)
	//   Prometheus  https://prometheus:9090
	//   Kafka       127.0.0.1:9092
	//   RabbitMQ    amqp://rabbitmq:5672
}

func TestReachable(t *testing.T) {
	for from, want := range map[string]string{"[::]:8000": "127.0.0.1:8000", "0.0.0.0:8000": "127.0.0.1:8000", "127.0.0.2:1": "127.0.0.2:1",
		"[::1]:1": "[::1]:1", "console:8000": "console:8000"} {
		if got := endpoint.Reachable(from); got != want {
			t.Errorf("%s is reached at %s, want %s", from, got, want)
		}
	}
}

package adapter

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// An operation remembers the series of so many dependencies, since it searches them one by
// one. It finds those of others, too.
func TestRememberedWaitsAreBounded(t *testing.T) {
	core, err := NewCore(Config{ServiceName: "shop", Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	s := core.families.ofHop(hopLabels{"http", "GET /", "GET /", flowRequest})
	for range 2 {
		for i := range 3 * maxWaits {
			dep := Dependency{Name: fmt.Sprint("host", i), Kind: KindHTTP}
			if got := s.waitFor(core.families, dep); got != core.families.wait.With("GET /", "GET /", flowRequest, dep.Name, dep.Kind) {
				t.Fatalf("%s has the series of another dependency", dep.Name)
			}
		}
		if n := len(*s.waits.Load()); n != maxWaits {
			t.Errorf("%d waits are remembered, want %d", n, maxWaits)
		}
	}
}

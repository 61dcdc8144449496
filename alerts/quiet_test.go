package alerts_test

import (
	"cmp"
	"os"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
)

const quiet = 30 * time.Minute

// TestQuiet runs half an hour of ordinary traffic and fails for each alert that
// names a hop:
//
//	TENHOP_ACCEPTANCE=full go test -run TestQuiet -v -timeout 45m ./alerts
func TestQuiet(t *testing.T) {
	if os.Getenv("TENHOP_ACCEPTANCE") != "full" {
		t.Skip("takes half an hour; set TENHOP_ACCEPTANCE=full")
	}
	s := uptest.Start(t)
	ctx := t.Context()
	seen := map[string]bool{}
	began := time.Now()
	for polls := 1; time.Since(began) < quiet; polls++ {
		all, err := s.Firing(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			name, hop := a.Labels["alertname"], cmp.Or(a.Labels["dependency"], a.Labels["service_name"])
			if name == "Watchdog" || seen[name+hop] {
				continue
			}
			seen[name+hop] = true
			if hop != "" {
				t.Errorf("%s fires for %s after %s: %s", name, hop, time.Since(began).Round(time.Second), a.Annotations["summary"])
			} else {
				t.Logf("%s fires after %s: %s", name, time.Since(began).Round(time.Second), a.Annotations["summary"])
			}
		}
		if polls%600 == 0 {
			t.Logf("%s: %d alerts so far", time.Since(began).Round(time.Second), len(seen))
		}
		uptest.Sleep(ctx, time.Second)
	}
	t.Logf("%s without a fault: %d alerts", time.Since(began).Round(time.Second), len(seen))
}

package define

import (
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"
)

// TestFailing checks that 0 % means that requests were measured and none failed.
func TestFailing(t *testing.T) {
	const rate = "hop:requests:rate1m"
	edge, all := failing(atEntries(rate)), failing(rate)
	promqltest.RunTest(t, `
# Nothing is measured: no value.
eval instant at 1m `+all+`

# Requests, none of which failed.
load 1m
  hop:requests:rate1m{service_name="web",operation="GET /",protocol="http"} 8 8
  hop:requests:rate1m{service_name="db",operation="Get",protocol="grpc"} 8 8

eval instant at 1m `+all+`
  {} 0

# No entry is known, so the share at the entries has no value.
eval instant at 1m `+edge+`

# One hop of two fails half of its requests; the entry is not that hop.
load 1m
  hop:errors:ratio1m{service_name="db",operation="Get",protocol="grpc"} 0.5 0.5
  entry:requests:rate15s{entry="GET /",flow="request"} 8 8

eval instant at 1m `+all+`
  {} 0.25

eval instant at 1m `+edge+`
  {} 0

# No requests any more: no value.
clear
load 1m
  hop:requests:rate1m{service_name="web",operation="GET /",protocol="http"} 0 0

eval instant at 1m `+all+`
`, promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery))
}

package adapter_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// The members that a request cannot do without survive a caller that fills the
// baggage to its limits, over as many hops as there are.
func TestOwnBaggageMembersSurviveForeignOnes(t *testing.T) {
	for _, c := range []struct {
		why   string
		value string
		n     int
	}{
		{"64 members, the most that W3C asks for", "v", 64},
		{"8 KB, the most that W3C asks for", strings.Repeat("v", 1000), 8},
		{"none", "", 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			var members []string
			for i := range c.n {
				members = append(members, fmt.Sprintf("k%d=%s", i, c.value))
			}
			tel := quiet(t)
			header := http.Header{"Baggage": {strings.Join(members, ",")}}
			for n := range 3 {
				ctx, h := tel.Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: fmt.Sprintf("GET /%d", n), Header: header})
				if got := h.Entry(); got != "GET /0" {
					t.Errorf("hop %d works for %q", n, got)
				}
				_, call := tel.Core().BeginCall(ctx, adapter.Outgoing{SpanName: "call"})
				header = http.Header{}
				call.InjectHeader(ctx, header)
				call.End(adapter.Outcome{})
				h.End(adapter.Outcome{})
				b := header.Get("Baggage")
				if got := strings.Count(b, ",") + 1; got > 64 || len(b) > 8192 {
					t.Errorf("hop %d sends %d members in %d bytes", n, got, len(b))
				}
				if !strings.HasPrefix(b, "correlation.id=") || c.n > 0 && !strings.Contains(b, ",k0=v") {
					t.Errorf("hop %d sends %.80q", n, b)
				}
			}
		})
	}
}

// A service without the middleware may write its members first.
func TestOwnBaggageMembersAreReadBehindForeignOnes(t *testing.T) {
	b := strings.Repeat("k=v,", 64) + "hop.entry=POST%20/checkout,hop.start=1790000000000"
	_, h := quiet(t).Core().Begin(context.Background(), adapter.Incoming{Protocol: "http", Operation: "op", Header: http.Header{"Baggage": {b}}})
	defer h.End(adapter.Outcome{})
	if got := h.Entry(); got != "POST /checkout" {
		t.Errorf("entry %q", got)
	}
}

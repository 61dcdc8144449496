package httpmw

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// WithTrustedHosts sets the hosts that a transport sends correlation ID and baggage
// to: "payment", or ".internal.example" for all hosts below it. Other hosts,
// including those that a redirect leads to, get only traceparent and tracestate. What a
// reverse proxy has copied from its caller is removed for them; values that the service
// sets itself are sent. Without names no host is trusted. Without the option all hosts are. Ports are
// ignored. It panics for a name that is not a host.
func WithTrustedHosts(hosts ...string) Option {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		if h == "" || h == "." || strings.ContainsAny(h, "/*@ ") || strings.Count(h, ":") == 1 {
			panic("httpmw: WithTrustedHosts: " + `"` + h + `" is no host: give a name such as "payment" or ".internal.example", without scheme and port`)
		}
		names[i] = strings.ToLower(strings.TrimSuffix(h, "."))
	}
	return func(c *config) {
		c.trusts = func(host string) bool {
			host = strings.ToLower(strings.TrimSuffix(host, "."))
			return slices.ContainsFunc(names, func(n string) bool {
				return host == n || n[0] == '.' && strings.HasSuffix(host, n)
			})
		}
	}
}

// withhold removes from the header of a call what is the request's, for a host that is not
// trusted.
func withhold(ctx context.Context, h http.Header) {
	var came adapter.Received
	if st, ok := adapter.FromContext(ctx).Local().(*state); ok {
		came = st.came
	}
	came.Withhold(ctx, h)
}

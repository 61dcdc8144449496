package httpmw

import (
	"slices"
	"strings"
)

// WithTrustedHosts names the hosts that a transport sends correlation ID and
// baggage to, such as "payment", or ".internal.example" for all below it. Any
// other host, also one that a redirect leads to, gets traceparent and tracestate
// alone; with no name at all that is every host. Without the option all hosts
// are trusted. Ports do not matter.
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

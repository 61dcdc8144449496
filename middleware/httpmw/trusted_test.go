package httpmw_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// What others need not know stays here: also where a trusted host redirects to
// another, and in whatever form the trace travels.
func TestThirdPartiesGetTraceContextAlone(t *testing.T) {
	got := map[string]http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.Host)
		got[host] = r.Header
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "http://elsewhere.example:"+port(r.Host)+"/", http.StatusFound)
		}
	}))
	defer server.Close()
	local := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	for _, c := range []struct {
		host    string
		options []httpmw.Option
		trusted bool
	}{
		{"payment", nil, true},
		{"payment", []httpmw.Option{httpmw.WithTrustedHosts("payment")}, true},
		{"PAYMENT.", []httpmw.Option{httpmw.WithTrustedHosts("payment")}, true},
		{"a.b.internal.example", []httpmw.Option{httpmw.WithTrustedHosts("x", ".internal.example")}, true},
		{"internal.example", []httpmw.Option{httpmw.WithTrustedHosts(".internal.example")}, false},
		{"evilinternal.example", []httpmw.Option{httpmw.WithTrustedHosts("internal.example", ".internal.example")}, false},
		{"payment.evil.example", []httpmw.Option{httpmw.WithTrustedHosts("payment")}, false},
		{"payment", []httpmw.Option{httpmw.WithTrustedHosts()}, false},
		{"payment", []httpmw.Option{httpmw.WithTrustedHosts(), httpmw.WithJaegerPropagation()}, false},
		{"payment", []httpmw.Option{httpmw.WithTrustedHosts(), httpmw.WithB3Propagation()}, false},
	} {
		clear(got)
		rec := mwtest.New(t)
		client := &http.Client{Transport: httpmw.Transport(local, append(c.options, httpmw.WithTelemetry(rec.Telemetry))...)}
		member, err := baggage.NewMember("tier", "gold")
		if err != nil {
			t.Fatal(err)
		}
		bag, err := baggage.New(member)
		if err != nil {
			t.Fatal(err)
		}
		ctx, h := rec.Core().Begin(baggage.ContextWithBaggage(t.Context(), bag), adapter.Incoming{Protocol: "http", Operation: "GET /x"})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.host+":"+port(server.Listener.Addr().String())+"/redirect", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		h.End(adapter.Outcome{Quiet: true})
		check := func(host string, trusted bool) {
			header := got[host]
			told := header.Get("X-Correlation-Id") != "" && strings.Contains(header.Get("Baggage"), "tier=gold")
			silent := true
			for name := range header {
				name = strings.ToLower(name)
				silent = silent && name != "baggage" && name != "x-correlation-id" && !strings.HasPrefix(name, "uber") && !strings.HasPrefix(name, "x-b3")
			}
			if header.Get("Traceparent") == "" || told != trusted || silent == trusted {
				t.Errorf("%s to %s, trusted %v: %v", c.host, host, trusted, header)
			}
		}
		check(c.host, c.trusted)
		if c.options != nil {
			check("elsewhere.example", false)
		}
	}
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func TestTrustedHostsAreHosts(t *testing.T) {
	for _, wrong := range []string{"", ".", "https://payment", "payment:8080", "*.example", "user@payment"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is accepted", wrong)
				}
			}()
			httpmw.WithTrustedHosts(wrong)
		}()
	}
}

package drill

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// A fault that is held in one process of a service is lifted if the next does not take it, also
// where the end of the connection is not noticed. Where it is not lifted, Hold says so.
func TestHoldLiftsWhatCameIntoForce(t *testing.T) {
	for _, c := range []struct {
		why     string
		stopped bool // before the second process answers; else it refuses
		stuck   bool
		limits  *Limits
	}{
		{"stopped", true, false, nil},
		{"stopped, with limits", true, false, &Limits{Services: []string{"stock"}}},
		{"stopped, not lifted", true, true, nil},
		{"stopped, not lifted, with limits", true, true, &Limits{Services: []string{"stock"}}},
		{"refused", false, false, nil},
		{"refused, not lifted", false, true, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancelCause(t.Context())
			first := &endpoint{}
			first.stuck.Store(c.stuck)
			f := endpoints(t, map[string]*endpoint{"stock": first})
			f.Limits = c.limits
			// In front of it is a proxy that keeps connections.
			direct := f.Admin["stock-1"]
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				first.forward(w, r, direct)
			}))
			t.Cleanup(proxy.Close)
			second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is noticed
				switch {
				case r.Method != http.MethodPost:
					_, _ = io.WriteString(w, `{"faults":[],"sealed":false}`)
				case c.stopped:
					stop(errBurns)
					<-r.Context().Done()
				default:
					w.WriteHeader(http.StatusUnprocessableEntity)
					_, _ = io.WriteString(w, `{"error":"no such operation"}`)
				}
			}))
			t.Cleanup(second.Close)
			f.Services["stock"] = []string{"stock-1", "stock-2"}
			f.Admin["stock-1"], f.Admin["stock-2"] = proxy.URL, second.URL
			err := f.Hold(ctx, "stock", chaos.Fault{Kind: "latency", Latency: 1e6, For: 60e9}, func([]Injected) { t.Error("it is in force everywhere") })
			if errors.Is(err, ErrStopped) != c.stopped || Refused(err) == c.stopped || errors.Is(err, ErrNotLifted) != c.stuck {
				t.Error(err)
			}
			if first.inForce() != c.stuck {
				t.Errorf("a fault is in force: %v", first.inForce())
			}
			first.faults.Clear("") // so that the servers end
		})
	}
}

// forward forwards a request over a connection that outlives that of the caller.
func (e *endpoint) forward(w http.ResponseWriter, r *http.Request, to string) {
	body, _ := io.ReadAll(r.Body)
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, to+r.URL.RequestURI(), strings.NewReader(string(body)))
	if err != nil {
		return
	}
	req.Header = r.Header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	buf := make([]byte, 1024)
	for {
		n, err := resp.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}

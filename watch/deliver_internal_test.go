package watch

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// TestRefusedByAStatus tells a message that a receiver refuses from a receiver that takes none,
// whatever the kind of webhook.
func TestRefusedByAStatus(t *testing.T) {
	for _, c := range []struct {
		why     string
		status  int
		refused bool
	}{
		{"the payload is invalid", http.StatusBadRequest, true},
		{"it is too large", http.StatusRequestEntityTooLarge, true},
		{"the webhook is disabled", http.StatusForbidden, false},
		{"there is no webhook", http.StatusNotFound, false},
		{"too many messages", http.StatusTooManyRequests, false},
		{"the receiver is down", http.StatusServiceUnavailable, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) }))
		u, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []Receiver{&webhook{u, nil, newClient()}, &slackHook{u, newClient()}} {
			_, err := to.Send(t.Context(), Message{ID: "i1", State: Open, Headline: "not sure"})
			if err == nil || refuses(err) != c.refused {
				t.Errorf("%T, %s: %v is taken as refused: %v", to, c.why, err, refuses(err))
			}
		}
		srv.Close()
	}
}

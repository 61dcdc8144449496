package problem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		why    string
		err    error
		status int
		says   string
		level  string
	}{
		{"a customer's mistake is told to the customer", status.Error(codes.NotFound, `no product "p-9"`), 404, "p-9", "debug"},
		{"a status further down an error chain counts", fmt.Errorf("cart: %w", status.Error(codes.FailedPrecondition, "full")), 422, "full", "info"},
		{"what is joined to a status is not told", errors.Join(errors.New("rows"), status.Error(codes.Aborted, "under way")), 409, "\"under way", "info"},
		{"a driver's text is nobody's business", errors.New("table charges is locked"), 500, "try again", "error"},
		{"a peer's address neither", status.Error(codes.Unavailable, "dial 10.0.0.7"), 503, "try again", "warn"},
		{"a driver's deadline is one", fmt.Errorf("query: %w", context.DeadlineExceeded), 504, "try again", "warn"},
		{"a client that went away is no error", context.Canceled, 499, "try again", "debug"},
	} {
		t.Run(c.why, func(t *testing.T) {
			var log bytes.Buffer
			logger := zerolog.New(&log)
			w := httptest.NewRecorder()
			Answer(w, &logger, c.err)
			if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.says) || strings.Contains(body, "rpc error") {
				t.Errorf("%d %s", w.Code, body)
			}
			if !strings.Contains(log.String(), `"level":"`+c.level+`"`) {
				t.Errorf("logged %s", log.String())
			}
		})
	}
}

// TestEveryCodeHasAKind keeps a new code from being answered with status 0.
func TestEveryCodeHasAKind(t *testing.T) {
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if k := Of(c); k.HTTP < 400 || (k.Public && k.HTTP >= 500) {
			t.Errorf("%v: %+v", c, k)
		}
	}
}

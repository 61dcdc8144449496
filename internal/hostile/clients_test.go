package hostile_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/hostile"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/loki"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/query/tempo"
)

// TestClients asks servers that answer with garbage, slowly or without end.
func TestClients(t *testing.T) {
	tb := newTable(t, "clients")
	answers := []struct {
		input string
		bound int
		serve http.HandlerFunc
	}{
		{"a string without end", 192, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, &hostile.Endless{Head: `{"status":"success","data":"`, Item: "0"}) // until the client leaves
		}},
		{"gzip of 100 MiB", 192, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(hostile.Gzip(endless(100*hostile.MiB, `{"status":"success","data":"`, "0")))
		}},
		{"headers without end of the body", 8, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"status":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done() // the client has left
		}},
		{"arrays nested 1,000,000 deep", 64, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(hostile.Nested(`{"data":[`, "", "]}", 1_000_000))
		}},
		{"1 MiB of noise", 16, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(hostile.Random(4, hostile.MiB)) }},
	}
	search := query.Search{Service: "a", From: time.Unix(1, 0), To: time.Unix(2, 0), Limit: 10}
	for _, c := range []struct {
		name string
		ask  func(context.Context, string) error
	}{
		{"Prometheus", func(ctx context.Context, base string) error {
			c, err := prometheus.New(base, nil)
			if err == nil {
				_, err = c.Range(ctx, "a", search.From, search.To, time.Second)
			}
			return err
		}},
		{"Jaeger", func(ctx context.Context, base string) error {
			c, err := jaeger.New(base, nil)
			if err == nil {
				_, err = c.Traces(ctx, search)
			}
			return err
		}},
		{"Tempo", func(ctx context.Context, base string) error {
			c, err := tempo.New(base, nil)
			if err == nil {
				_, err = c.Trace(ctx, "01")
			}
			return err
		}},
		{"Loki", func(ctx context.Context, base string) error {
			c, err := loki.New(base, nil)
			if err == nil {
				_, err = c.Lines(ctx, "{}", search.From, search.To, 10)
			}
			return err
		}},
	} {
		for _, a := range answers {
			s := httptest.NewServer(a.serve)
			within := time.Minute
			if strings.HasPrefix(a.input, "headers") {
				within = 200 * time.Millisecond
			}
			tb.check(t, "client of "+c.name, a.input, a.bound, func() string {
				err := query.NewSource("", s.URL).Ask(t.Context(), within, func(ctx context.Context) (int, error) { return 0, c.ask(ctx, s.URL) })
				var late *query.LateError
				switch {
				case errors.As(err, &late):
					return "no answer within the time of the query"
				case err == nil:
					return "read"
				}
				return strings.ReplaceAll(verdict(err), s.URL, "URL")
			})
			s.Close()
		}
	}
}

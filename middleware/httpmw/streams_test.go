package httpmw_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// How long a stream lasts is the client's decision and no latency. A document of the same
// type, and a download that is flushed, have one.
func TestEveryKindOfStream(t *testing.T) {
	for _, c := range []struct {
		media  string
		flush  bool
		metric int
	}{
		{"text/event-stream", true, 0},
		{"Text/Event-Stream; charset=utf-8", true, 0},
		{"application/x-ndjson", true, 0},
		{"application/ndjson;charset=utf-8", true, 0},
		{"application/jsonl", true, 0},
		{"application/jsonlines", true, 0},
		{"application/json-seq", true, 0},
		{"application/stream+json", true, 0},
		{"application/x-json-stream", true, 0},
		{"multipart/x-mixed-replace; boundary=frame", true, 0},
		{"application/connect+proto", true, 0},
		{"application/connect+json", true, 0},
		{"application/x-ndjson", false, 1},
		{"application/json", true, 1},
		{"application/octet-stream", true, 1},
		{"application/proto", false, 1},
		{"", true, 1},
	} {
		rec := mwtest.New(t)
		h := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.media != "" {
				w.Header().Set("Content-Type", c.media)
			}
			for range 3 {
				_, _ = io.WriteString(w, "{}\n")
				if c.flush {
					_ = http.NewResponseController(w).Flush()
				}
			}
		}), httpmw.WithTelemetry(rec.Telemetry))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		for _, family := range []string{"http_server_request_duration_seconds", "hop_duration_seconds", "hop_self_duration_seconds"} {
			if n := rec.Count(family); n != c.metric {
				t.Errorf("%q, flushed %v: %s counts %d, want %d", c.media, c.flush, family, n, c.metric)
			}
		}
		if len(rec.Spans()) != 1 || len(rec.Lines()) != 1 {
			t.Errorf("%q: %d spans, %d lines, want one of each", c.media, len(rec.Spans()), len(rec.Lines()))
		}
	}
}

// A client that leaves is no error of the server, whenever and over whichever protocol.
func TestDepartedClients(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, c := range []struct {
			why    string
			answer func(w http.ResponseWriter, r *http.Request, leave func())
			status string
		}{
			{"before the headers", func(_ http.ResponseWriter, r *http.Request, leave func()) {
				leave()
				<-r.Context().Done()
			}, "499"},
			{"before the headers, answered with an error", func(w http.ResponseWriter, r *http.Request, leave func()) {
				leave()
				<-r.Context().Done()
				http.Error(w, "upstream", http.StatusBadGateway)
			}, "499"},
			{"in the middle of the body", func(w http.ResponseWriter, r *http.Request, leave func()) {
				_, _ = io.WriteString(w, "part")
				_ = http.NewResponseController(w).Flush()
				leave()
				<-r.Context().Done()
			}, "200"},
			{"while it sends its body", func(_ http.ResponseWriter, r *http.Request, leave func()) {
				leave()
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}, "499"},
		} {
			sends := c.why == "while it sends its body"
			if sends && proto == "HTTP/1.1" {
				continue // net/http notices only once the body was read
			}
			t.Run(proto+" "+c.why, func(t *testing.T) {
				rec := mwtest.New(t)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				done, got := make(chan struct{}), make(chan string, 1)
				measured := httpmw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					got <- r.Proto
					c.answer(w, r, leave)
				}), httpmw.WithTelemetry(rec.Telemetry))
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					defer close(done)
					measured.ServeHTTP(w, r)
				}))
				srv.EnableHTTP2 = proto == "HTTP/2.0"
				srv.StartTLS()
				defer srv.Close()
				pipe, writer := io.Pipe()
				defer writer.Close()
				var body io.Reader
				if sends {
					body = pipe
				}
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, body)
				if err != nil {
					t.Fatal(err)
				}
				if resp, err := srv.Client().Do(req); err == nil { // the client may have the response already
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				<-done
				if p := <-got; p != proto {
					t.Fatalf("the request came over %s", p)
				}
				if n := rec.Count("http_server_request_duration_seconds", "http_response_status_code", c.status, "error_type", "client_closed_request"); n != 1 {
					t.Errorf("it is not counted as %s: %v", c.status, rec.Spans())
				}
				if s := rec.Spans()[0]; s.Status.String() == "Error" {
					t.Errorf("the span has the status %v", s.Status)
				}
			})
		}
	}
}

package httpmw_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/mwtest"
)

// outcomeOf describes all that a client sees of a response.
func outcomeOf(client *http.Client, url string) string {
	resp, err := client.Get(url)
	if err != nil {
		_, cause, _ := strings.Cut(err.Error(), url)
		return "error" + cause
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s, %d header fields, %d bytes, %v, trailer %v", resp.Status, len(resp.Header), len(body), err, resp.Trailer)
}

// A server may answer anything. The client gets what it gets without the middleware, and
// each call ends once.
func TestHostileResponses(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":                 "",
		"no HTTP":                 "220 mail.example ESMTP\r\n",
		"half a status line":      "HTTP/1.1 2",
		"a status of no number":   "HTTP/1.1 abc OK\r\n\r\n",
		"a status beyond":         "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n",
		"no reason":               "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
		"a version to come":       "HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"NUL in a header":         "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\nok",
		"bytes that are no UTF-8": "HTTP/1.1 200 \xff\xfe\r\nX-A: \xff\r\nX-Correlation-Id: \xff\r\nContent-Length: 2\r\n\r\nok",
		"a header without colon":  "HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok",
		"two lengths":             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"a negative length":       "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
		"a body that is cut":      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok",
		"a cut chunk":             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nok",
		"a chunk of no length":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
		"an unknown encoding":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: rot13\r\n\r\nok",
		"gzip that is none":       "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
		"2 MB of headers":         "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"10,000 headers":          "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: a\r\n", 10_000) + "Content-Length: 2\r\n\r\nok",
		"interim without end":     strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50),
		"a body after 204":        "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
		"101 unasked":             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nok",
		"a redirect to nowhere":   "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
		"trailers":                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nX-More: 8\r\n\r\n",
		"trailers that are not":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 7\r\n: 8\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer lis.Close()
			go func() {
				for {
					conn, err := lis.Accept()
					if err != nil {
						return
					}
					_, _ = http.ReadRequest(bufio.NewReader(conn))
					_, _ = io.WriteString(conn, answer) // a client that gives up closes
					_ = conn.Close()
				}
			}()
			url := "http://" + lis.Addr().String()
			bare, base := &http.Transport{DisableKeepAlives: true}, &http.Transport{DisableKeepAlives: true}
			rec := mwtest.New(t)
			want := outcomeOf(&http.Client{Transport: bare}, url)
			got := outcomeOf(&http.Client{Transport: httpmw.Transport(base, httpmw.WithTelemetry(rec.Telemetry))}, url)
			if got != want {
				t.Errorf("%s\nwithout the middleware: %s", got, want)
			}
			if calls, spans := rec.Count(clientFamily), len(rec.Spans()); calls != 1 || spans != 1 {
				t.Errorf("%d calls, %d spans", calls, spans)
			}
		})
	}
}

// An HTTP/2 server that goes away ends the connection, not the requests on it. Each is one
// call, and its trailers arrive.
func TestGoAway(t *testing.T) {
	rec := mwtest.New(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // HTTP/2 sends GOAWAY
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-In"))
	}))
	server.EnableHTTP2 = true
	server.Config.Handler = httpmw.Handler(server.Config.Handler, httpmw.WithTelemetry(rec.Telemetry))
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport = httpmw.Transport(client.Transport, httpmw.WithTelemetry(rec.Telemetry))
	defer client.CloseIdleConnections()
	const calls = 5
	for range calls {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.NopCloser(strings.NewReader("whole")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"X-In": {"7"}}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != "halfwhole" || resp.ProtoMajor != 2 || resp.Trailer.Get("X-Sum") != "7" {
			t.Errorf("%s %q, trailer %v, %v", resp.Proto, body, resp.Trailer, err)
		}
	}
	server.Close()
	if n := rec.Count(clientFamily, "http_response_status_code", "200", "error_type", ""); n != calls {
		t.Errorf("%d calls, want %d", n, calls)
	}
	if n := rec.Count(serverFamily); n != calls {
		t.Errorf("%d requests, want %d", n, calls)
	}
}

package console

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSlowBody ends a request whose body does not arrive. A response that goes on after
// the body was read is not cut off.
func TestSlowBody(t *testing.T) {
	const within = 100 * time.Millisecond
	ended := make(chan error, 1)
	srv := httptest.NewServer(bodyWithin(within, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			ended <- err
			http.Error(w, "the body does not arrive", http.StatusRequestTimeout)
			return
		}
		for range 3 {
			time.Sleep(within)
			if r.Context().Err() != nil {
				return
			}
			fmt.Fprintln(w, "event")
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	})))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-ended; resp.StatusCode != http.StatusRequestTimeout || err == nil {
		t.Errorf("%s, %v", resp.Status, err)
	}

	stream, err := http.Post(srv.URL, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if all, err := io.ReadAll(stream.Body); err != nil || strings.Count(string(all), "event") != 3 {
		t.Errorf("the stream is %q, %v", all, err)
	}
}

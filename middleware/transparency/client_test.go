package transparency

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/adapter"
)

const onClient = "http.Client"

func httpClients() family {
	return family{title: "HTTP clients", about: "A raw server reads the bytes of the requests and writes those of the responses.",
		columns: []string{onClient}, rows: clientRows()}
}

// hop returns a context of a request that is being served, when the exchange is measured.
func (x *exchange) hop() context.Context {
	if !x.measured {
		return x.Context()
	}
	ctx, _ := x.tel.Core().Begin(x.Context(), adapter.Incoming{Protocol: "test", Operation: "script"})
	return ctx
}

// rawServer accepts one connection per function. What it reads is a track. A nil
// function at the end is reached when there are more connections.
func (x *exchange) rawServer(conns ...func(*rawClient)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	x.must(err)
	x.rename(l.Addr().String(), "server")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i, talk := range conns {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c := &rawClient{exchange: x, conn: conn, name: fmt.Sprintf("request on connection %d", i+1)}
			c.r = bufio.NewReader(io.TeeReader(conn, &c.read))
			talk(c)
			_ = conn.Close()
			if c.read.Len() > 0 {
				c.note(c.name, "%s", c.read.String())
			}
		}
	}()
	x.served = func() { _ = l.Close(); <-done } // a client may have left before it was accepted
	x.Cleanup(x.served)
	return "http://" + l.Addr().String()
}

const ok = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"

// converse is a script of a client and of the connections of its server.
func converse(client func(*exchange, *http.Client, string), conns ...func(*rawClient)) map[string]func(*exchange) {
	return on(func(x *exchange, _ string) {
		url := x.rawServer(conns...)
		t := &http.Transport{ExpectContinueTimeout: time.Hour}
		client(x, &http.Client{Transport: x.transport(t)}, url)
		t.CloseIdleConnections()
		x.served()
	}, onClient)
}

// reply answers one request whose bytes end with a text.
func reply(end, response string) func(*rawClient) {
	return func(c *rawClient) { c.until(end).send(response) }
}

func (x *exchange) request(method, url string, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(x.hop(), method, url, body)
	x.must(err)
	return r
}

func clientRows() []row {
	twice := func(c *rawClient) { c.until("\r\n\r\n").send(ok).until("\r\n\r\n").send(ok) }
	return []row{
		{feature: "two requests on a connection", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url+"/a?b=c", nil))
			do(x, c, x.request("GET", url+"/a?b=c", nil))
		}, twice)},
		{feature: "Content-Length and chunked bodies", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("POST", url, strings.NewReader("abc")))
			do(x, c, x.request("POST", url, io.MultiReader(strings.NewReader("abc"))))
		}, func(c *rawClient) { c.until("abc").send(ok).until("0\r\n\r\n").send(ok) })},
		{feature: "retry of an idempotent request", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url, nil))
			do(x, c, x.request("GET", url, nil))
		}, func(c *rawClient) { c.until("\r\n\r\n").send(ok).until("\r\n\r\n") }, reply("\r\n\r\n", ok))},
		{feature: "retry with GetBody and Idempotency-Key", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url, nil))
			r := x.request("POST", url, strings.NewReader("abc"))
			r.Header.Set("Idempotency-Key", "1")
			do(x, c, r)
		}, func(c *rawClient) { c.until("\r\n\r\n").send(ok).until("abc") }, reply("abc", ok))},
		{feature: "no retry of another request", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url, nil))
			do(x, c, x.request("POST", url, strings.NewReader("abc")))
		}, func(c *rawClient) { c.until("\r\n\r\n").send(ok).until("abc") })},
		{feature: "redirects, with and without body", cells: converse(func(x *exchange, c *http.Client, url string) {
			r := x.request("POST", url, strings.NewReader("abc"))
			r.Header.Set("X-Mine", "1")
			do(x, c, r)
		}, func(c *rawClient) {
			c.until("abc").send("HTTP/1.1 307 Temporary Redirect\nLocation: /b\nContent-Length: 0\n\n")
			c.until("abc").send("HTTP/1.1 303 See Other\nLocation: /c\nContent-Length: 0\n\n").until("\r\n\r\n").send(ok)
		})},
		{feature: "Expect: 100-continue", cells: converse(func(x *exchange, c *http.Client, url string) {
			r := x.request("POST", url, strings.NewReader("abc"))
			r.Header.Set("Expect", "100-continue")
			do(x, c, r)
		}, func(c *rawClient) { c.until("\r\n\r\n").send("HTTP/1.1 100 Continue\n\n").until("abc").send(ok) })},
		{feature: "101: Response.Body as io.Writer, half-close", cells: converse(switches, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: echo\n\nhello\n").until("one\n")
			_, err := io.Copy(io.Discard, c.r)
			c.call("server", "Read", err)
			c.sendRaw("bye\n")
		})},
		{feature: "httptrace, 103", cells: converse(traced, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 103 Early Hints\nLink: </a>\n\n" + ok)
		})},
		{feature: "gzip, taken off by the transport", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url, nil))
		}, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 200 OK\nContent-Encoding: gzip\nContent-Length: 22\n\n").
				sendRaw("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\xcf\x06\x00\x47\xdd\xdc\x79\x02\x00\x00\x00")
		})},
		{feature: "trailers, both ways", cells: converse(func(x *exchange, c *http.Client, url string) {
			r := x.request("POST", url, io.MultiReader(strings.NewReader("abc")))
			r.Trailer = http.Header{"X-Sum": {"9"}}
			do(x, c, r)
		}, reply("X-Sum: 9\r\n\r\n", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Late\n\n2\nok\n0\nX-Late: 1\n\n"))},
		{feature: "HEAD, 204, 304", cells: converse(func(x *exchange, c *http.Client, url string) {
			for _, m := range []string{"HEAD", "GET", "GET"} {
				resp, err := c.Do(x.request(m, url, nil))
				x.must(err)
				x.note("client", "%s, length %d, NoBody %v", resp.Status, resp.ContentLength, resp.Body == http.NoBody)
				x.must(resp.Body.Close())
			}
		}, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 200 OK\nContent-Length: 9\n\n").until("\r\n\r\n").send("HTTP/1.1 204 No Content\n\n")
			c.until("\r\n\r\n").send("HTTP/1.1 304 Not Modified\n\n")
		})},
		{feature: "the Response, by reflection", cells: converse(theResponse, reply("\r\n\r\n", ok))},
		{feature: "body cut short", cells: converse(func(x *exchange, c *http.Client, url string) {
			do(x, c, x.request("GET", url, nil))
		}, reply("\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 9\n\nabc"))},
		{feature: "http.Client.Timeout before the header, but for \"(Client.Timeout exceeded …)\"", cells: converse(func(x *exchange, c *http.Client, url string) {
			c.Timeout = time.Millisecond
			_, err := c.Do(x.request("GET", url, nil))
			x.timeout(err)
		}, func(c *rawClient) { _, _ = io.Copy(io.Discard, c.r); c.read.Reset() })},
		{feature: "http.Client.Timeout in the body, but for \"(Client.Timeout …)\"", cells: converse(func(x *exchange, c *http.Client, url string) {
			c.Timeout = 100 * time.Millisecond
			resp, err := c.Do(x.request("GET", url, nil))
			x.must(err)
			_, err = io.ReadAll(resp.Body)
			x.timeout(err)
			x.call("client", "Close", resp.Body.Close())
		}, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 200 OK\nContent-Length: 9\n\nabc")
			_, _ = io.Copy(io.Discard, c.r)
		})},
		{feature: "deadline of the context", cells: converse(func(x *exchange, c *http.Client, url string) {
			ctx, cancel := context.WithTimeoutCause(x.hop(), time.Millisecond, errors.New("too slow"))
			defer cancel()
			do(x, c, x.request("GET", url, nil).WithContext(ctx))
		}, func(c *rawClient) { _, _ = io.Copy(io.Discard, c.r); c.read.Reset() })},
		{feature: "cancel with a cause, in the body", cells: converse(func(x *exchange, c *http.Client, url string) {
			ctx, cancel := context.WithCancelCause(x.hop())
			resp, err := c.Do(x.request("GET", url, nil).WithContext(ctx))
			x.must(err)
			cancel(errors.New("enough"))
			_, err = io.ReadAll(resp.Body)
			x.call("client", "Read", err)
			x.call("client", "Close", resp.Body.Close())
		}, func(c *rawClient) {
			c.until("\r\n\r\n").send("HTTP/1.1 200 OK\nContent-Length: 9\n\n")
			_, _ = io.Copy(io.Discard, c.r)
		})},
		{feature: "connection refused", cells: converse(func(x *exchange, c *http.Client, _ string) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			x.must(err)
			_ = l.Close()
			do(x, c, x.request("POST", "http://"+l.Addr().String(), closing{strings.NewReader("abc"), x}))
		})},
		{feature: "CloseIdleConnections", cells: on(func(x *exchange, _ string) {
			closed := make(chan error)
			url := x.rawServer(func(c *rawClient) {
				_, err := c.until("\r\n\r\n").send(ok).r.ReadByte()
				closed <- err
			})
			c := &http.Client{Transport: x.transport(&http.Transport{})}
			do(x, c, x.request("GET", url, nil))
			c.CloseIdleConnections()
			x.call("server", "Read", <-closed)
			x.served()
		}, onClient)},
		{feature: "own Baggage", intended: "members added", cells: on(ownBaggage, onClient)},
		{feature: "own X-Correlation-ID", cells: converse(func(x *exchange, c *http.Client, url string) {
			r := x.request("GET", url, nil)
			r.Header.Set("X-Correlation-ID", "mine")
			do(x, c, r)
			x.note("client", "the request's header %v", r.Header)
		}, reply("\r\n\r\n", ok))},
		{feature: "bad requests", cells: converse(func(x *exchange, c *http.Client, url string) {
			for _, change := range []func(*http.Request){
				func(r *http.Request) { r.URL = nil }, func(r *http.Request) { r.URL.Host = "" }, func(r *http.Request) { r.URL.Scheme = "ftp" },
				func(r *http.Request) { r.Method = "BAD METHOD" }, func(r *http.Request) { r.Header.Set("X-Bad", "a\nb") }, func(r *http.Request) { r.Header = nil },
			} {
				r := x.request("GET", url, closing{strings.NewReader("abc"), x})
				change(r)
				_, err := c.Transport.RoundTrip(r)
				x.call("client", "RoundTrip", err)
			}
		})},
	}
}

// closing notes when a request's body is closed.
type closing struct {
	io.Reader
	x *exchange
}

func (c closing) Close() error {
	c.x.note("request body", "closed")
	return nil
}

// timeout records an error without its parentheses. http.Client appends them when its
// timer was first. For a RoundTripper that it does not know, the context may be.
func (x *exchange) timeout(err error) {
	var timeout interface{ Timeout() bool }
	x.note("client", "%v, timeout %v", errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout())
	text, _, _ := strings.Cut(err.Error(), " (")
	x.note("client", "%s", text)
}

func switches(x *exchange, c *http.Client, url string) {
	r := x.request("GET", url, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := c.Do(r)
	x.must(err)
	t := reflect.TypeOf(resp.Body)
	for i := range t.NumMethod() {
		x.note("client", "Body has %s", t.Method(i).Name)
	}
	line := make([]byte, 6)
	_, err = io.ReadFull(resp.Body, line)
	x.note("client", "%q, %s", line, describe(err))
	_, err = io.WriteString(resp.Body.(io.Writer), "one\n")
	x.call("client", "Write", err)
	if half, ok := resp.Body.(interface{ CloseWrite() error }); ok {
		x.call("client", "CloseWrite", half.CloseWrite())
		rest, err := io.ReadAll(resp.Body)
		x.note("client", "%q, %s", rest, describe(err))
	}
	x.call("client", "Close", resp.Body.Close())
}

func traced(x *exchange, c *http.Client, url string) {
	r := x.request("GET", url, nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(addr string) { x.note("client", "GetConn %s", addr) },
		GotConn: func(i httptrace.GotConnInfo) { x.note("client", "GotConn, reused %v", i.Reused) },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			x.note("client", "Got1xxResponse %d %v", code, h)
			return nil
		},
		WroteHeaders: func() { x.note("client writing", "WroteHeaders") },
		WroteRequest: func(i httptrace.WroteRequestInfo) { x.call("client writing", "WroteRequest", i.Err) },
	}))
	do(x, c, r)
}

// theResponse records what a caller can do with a response and its request.
func theResponse(x *exchange, c *http.Client, url string) {
	r := x.request("GET", url, nil)
	resp, err := c.Do(r)
	x.must(err)
	t := reflect.TypeOf(resp.Body)
	for i := range t.NumMethod() {
		x.note("client", "Body has %s", t.Method(i).Name)
	}
	x.note("client", "Request is the caller's: %v", resp.Request == r)
	x.note("client", "header of the request: %v", resp.Request.Header)
	_, err = io.ReadAll(resp.Body)
	x.call("client", "Read", err)
	x.call("client", "Close", resp.Body.Close())
	_, err = resp.Body.Read(make([]byte, 1))
	x.call("client", "Read", err)
}

// ownBaggage asserts that the caller's members are sent.
func ownBaggage(x *exchange, _ string) {
	url := x.rawServer(func(c *rawClient) {
		c.until("Baggage: ").until("\r\n")
		if !strings.Contains(c.read.String(), "tenant=acme") {
			c.Errorf("the caller's baggage is not sent: %s", c.read.String())
		}
		c.send(ok)
		c.read.Reset()
	})
	r := x.request("GET", url, nil)
	r.Header.Set("Baggage", "tenant=acme")
	c := &http.Client{Transport: x.transport(&http.Transport{})}
	do(x, c, r)
	c.CloseIdleConnections()
	x.served()
}

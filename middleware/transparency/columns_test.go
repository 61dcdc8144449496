package transparency

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"

	"github.com/tenhop/tenhop/middleware/httpmw"
)

// Columns of the HTTP table that run the handler of a script.
const (
	plain   = "net/http"
	onChi   = "chi"
	onGin   = "gin"
	onEcho  = "echo"
	onMux   = "gorilla/mux"
	proxied = "ReverseProxy"
)

var routers = []string{plain, onChi, onGin, onEcho, onMux}

func handlers() []string { return append(routers[:len(routers):len(routers)], proxied) }

// measure wraps a handler when the exchange is measured.
func (x *exchange) measure(h http.Handler, opts ...httpmw.Option) http.Handler {
	if !x.measured {
		return h
	}
	return httpmw.Handler(h, append(opts, httpmw.WithTelemetry(x.tel))...)
}

// transport wraps a RoundTripper when the exchange is measured.
func (x *exchange) transport(rt http.RoundTripper) http.RoundTripper {
	if !x.measured {
		return rt
	}
	return httpmw.Transport(rt, httpmw.WithTelemetry(x.tel))
}

// mount puts a handler on a router, measured as the router's documentation says.
func (x *exchange) mount(column string, h http.HandlerFunc) http.Handler {
	const path = "/things/"
	switch column {
	case onChi:
		r := chi.NewRouter()
		if x.measured {
			r.Use(httpmw.Middleware(httpmw.WithTelemetry(x.tel)))
		}
		r.HandleFunc(path+"{id}", h)
		return r
	case onGin:
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		if x.measured {
			r.Use(func(c *gin.Context) { httpmw.SetRoute(c.Request.Context(), c.FullPath()) })
		}
		r.Any(path+":id", func(c *gin.Context) { h(c.Writer, c.Request) })
		return x.measure(r)
	case onEcho:
		r := echo.New()
		r.Any(path+":id", func(c echo.Context) error { h(c.Response(), c.Request()); return nil })
		return x.measure(r)
	case onMux:
		r := mux.NewRouter()
		if x.measured {
			r.Use(httpmw.Middleware(httpmw.WithTelemetry(x.tel)))
		}
		r.HandleFunc(path+"{id}", h)
		return r
	case proxied:
		origin := x.serve(x.mount(plain, h))
		target, err := url.Parse(origin.URL)
		x.must(err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ErrorLog = x.serverLog()
		proxy.FlushInterval = -1
		proxy.Transport = x.transport(&http.Transport{DisableCompression: true, ExpectContinueTimeout: time.Hour})
		return x.measure(proxy)
	}
	r := http.NewServeMux()
	r.HandleFunc(path+"{id}", h)
	return x.measure(r)
}

// serve starts a server whose error log is a track.
func (x *exchange) serve(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = x.serverLog()
	s.Listener = countingListener{s.Listener, x}
	s.Start()
	x.Cleanup(s.Close)
	return s
}

// countingListener shows which connections the server copies files into.
type countingListener struct {
	net.Listener
	x *exchange
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return readerFromConn{tcp, l.x}, err
	}
	return c, err
}

type readerFromConn struct {
	*net.TCPConn
	x *exchange
}

// ReadFrom is the door to sendfile.
func (c readerFromConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.x.note("connection", "ReadFrom(%T): %d, %v", r, n, err)
	return n, err
}

// serveHTTP2 starts a server of HTTP/2 over TLS or of h2c.
func (x *exchange) serveHTTP2(h http.Handler, secure bool) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = x.serverLog()
	if secure {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		p.SetHTTP1(true)
		s.Config.Protocols = p
		s.Start()
	}
	x.Cleanup(s.Close)
	return s
}

// rawClient is one connection to a server, whose bytes are tracks.
type rawClient struct {
	*exchange
	conn net.Conn
	r    *bufio.Reader
	name string
	read strings.Builder
	// joined shows the chunks of a body as one. A proxy cuts them as it reads them.
	joined bool
}

// dial connects to a server. The responses are in the track of that name.
func (x *exchange) dial(s *httptest.Server) *rawClient {
	var conn net.Conn
	var err error
	if s.TLS != nil {
		conn, err = tls.Dial("tcp", s.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	} else {
		conn, err = net.Dial("tcp", s.Listener.Addr().String())
	}
	x.must(err)
	x.Cleanup(func() { _ = conn.Close() })
	c := &rawClient{exchange: x, conn: conn, name: "response"}
	c.r = bufio.NewReader(io.TeeReader(conn, &c.read))
	return c
}

// through tells the client which column it talks to.
func (c *rawClient) through(column string) *rawClient {
	c.joined = column == proxied
	return c
}

// send writes a request, with \n for \r\n.
func (c *rawClient) send(request string) *rawClient {
	_, err := io.WriteString(c.conn, strings.ReplaceAll(request, "\n", "\r\n"))
	c.must(err)
	return c
}

// sendRaw writes bytes as they are.
func (c *rawClient) sendRaw(s string) *rawClient {
	_, err := io.WriteString(c.conn, s)
	c.must(err)
	return c
}

// until reads up to and including a text.
func (c *rawClient) until(text string) *rawClient {
	c.Helper()
	from := c.read.Len() - c.r.Buffered()
	for !strings.Contains(c.seen(from), text) {
		if _, err := c.r.ReadByte(); err != nil {
			c.Fatalf("%v before %q in %q", err, text, c.read.String())
		}
	}
	return c
}

func (c *rawClient) seen(from int) string { return c.read.String()[from : c.read.Len()-c.r.Buffered()] }

// halfClose ends the client's side.
func (c *rawClient) halfClose() *rawClient {
	c.must(c.conn.(interface{ CloseWrite() error }).CloseWrite())
	return c
}

// end reads to the end of the connection and records everything that was read.
func (c *rawClient) end() {
	_, err := io.Copy(io.Discard, c.r)
	text := c.read.String()
	if c.joined {
		text = joinChunks(text)
	}
	c.note(c.name, "%s", text)
	c.note(c.name, "end: %v", err)
}

const get = "GET /things/7 HTTP/1.1\nHost: shop\nConnection: close\n\n"

// joinChunks returns a response whose chunks are one.
func joinChunks(response string) string {
	head, rest, ok := strings.Cut(response, "\r\n\r\n")
	if !ok || !strings.Contains(head, "Transfer-Encoding: chunked") {
		return response
	}
	var body strings.Builder
	for {
		size, after, ok := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseInt(size, 16, 32)
		if !ok || err != nil || n == 0 || len(after) < int(n)+2 {
			return fmt.Sprintf("%s\r\n\r\nchunks of %d bytes\r\n%s\r\n%s", head, body.Len(), body.String(), rest)
		}
		body.WriteString(after[:n])
		rest = after[n+2:]
	}
}

package httpmw

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// recorder records status and size of a response. It does not change what the inner
// writer does with a second WriteHeader or a 1xx.
type recorder struct {
	http.ResponseWriter
	hop      *adapter.Hop
	state    *state
	status   int
	bytes    int64
	wrote    bool // the final header was written
	hijacked bool
	streamed bool // flushed before the end: server-sent events, long polls
	late     bool // the context had ended when the header was written
	timedOut bool // http.TimeoutHandler had answered before
}

var (
	_ http.ResponseWriter = (*recorder)(nil)
	_ io.StringWriter     = (*recorder)(nil)
)

// Unwrap returns the inner writer, for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

func (r *recorder) WriteHeader(code int) {
	// 1xx other than 101 are interim: the final status follows.
	if !r.wrote && (code >= 200 || code == http.StatusSwitchingProtocols) {
		r.status = code
		r.begin()
	} else if !r.wrote {
		r.state.withholdEcho(r.Header())
	}
	r.ResponseWriter.WriteHeader(code)
}

// begin prepares the final header, which is about to be written.
func (r *recorder) begin() {
	if r.wrote {
		return
	}
	r.wrote = true
	st := r.state
	st.settleEcho(r.Header())
	if r.status == http.StatusRequestEntityTooLarge {
		st.tooLarge(r.Header())
	}
	r.late = st.ctx.Err() != nil
}

func (r *recorder) Write(p []byte) (int, error) {
	r.begin()
	c := r.hop.StartCall(caller)
	n, err := r.ResponseWriter.Write(p)
	c.End()
	r.bytes += int64(n)
	if errors.Is(err, http.ErrHandlerTimeout) { // returned as it is
		r.timedOut = true
	}
	return n, err
}

// WriteString writes a string without the copy that io.WriteString would make.
func (r *recorder) WriteString(s string) (int, error) {
	r.begin()
	c := r.hop.StartCall(caller)
	n, err := io.WriteString(r.ResponseWriter, s)
	c.End()
	r.bytes += int64(n)
	if errors.Is(err, http.ErrHandlerTimeout) { // returned as it is
		r.timedOut = true
	}
	return n, err
}

func (r *recorder) flush() {
	r.begin()
	r.streamed = true
	c := r.hop.StartCall(caller)
	r.ResponseWriter.(http.Flusher).Flush()
	c.End()
}

// flushError is flush with an error, for http.ResponseController.
func (r *recorder) flushError() error {
	f, ok := r.ResponseWriter.(interface{ FlushError() error })
	if !ok {
		r.flush()
		return nil
	}
	r.begin()
	r.streamed = true
	c := r.hop.StartCall(caller)
	defer c.End()
	return f.FlushError()
}

func (r *recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := r.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		r.hijacked = true
		if r.status == 0 {
			r.status = http.StatusSwitchingProtocols
		}
	}
	return conn, rw, err
}

func (r *recorder) push(target string, opts *http.PushOptions) error {
	return r.ResponseWriter.(http.Pusher).Push(target, opts)
}

// readFrom passes the source to the inner writer, which may use sendfile.
func (r *recorder) readFrom(src io.Reader) (int64, error) {
	r.begin()
	c := r.hop.StartCall(caller)
	n, err := r.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	c.End()
	r.bytes += n
	return n, err
}

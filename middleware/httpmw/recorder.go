package httpmw

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/tenhop/tenhop/middleware/hop"
)

// recorder sees status and size go by. It hides none of the inner writer's
// interfaces: http.ResponseController reaches them through Unwrap, and wrap
// adds those that callers ask for by type assertion.
type recorder struct {
	http.ResponseWriter
	hop      *hop.Hop
	status   int
	bytes    int64
	wrote    bool
	hijacked bool
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

func (r *recorder) WriteHeader(code int) {
	// 1xx other than 101 are interim: the final status is still to come.
	if !r.wrote && (code >= 200 || code == http.StatusSwitchingProtocols) {
		r.wrote, r.status = true, code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	c := r.hop.StartCall(caller)
	n, err := r.ResponseWriter.Write(p)
	c.End()
	r.bytes += int64(n)
	return n, err
}

type flusher struct{ *recorder }

func (f flusher) Flush() {
	f.wrote = true
	f.ResponseWriter.(http.Flusher).Flush()
}

type hijacker struct{ *recorder }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := h.ResponseWriter.(http.Hijacker).Hijack()
	if err == nil {
		h.hijacked = true
		if h.status == 0 {
			h.status = http.StatusSwitchingProtocols
		}
	}
	return conn, rw, err
}

type readerFrom struct{ *recorder }

func (f readerFrom) ReadFrom(src io.Reader) (int64, error) {
	f.wrote = true
	c := f.hop.StartCall(caller)
	n, err := f.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	c.End()
	f.bytes += n
	return n, err
}

// wrap returns the recorder with exactly the optional interfaces of the inner
// writer.
func (r *recorder) wrap() http.ResponseWriter {
	_, fl := r.ResponseWriter.(http.Flusher)
	_, hj := r.ResponseWriter.(http.Hijacker)
	_, rf := r.ResponseWriter.(io.ReaderFrom)
	if p, ok := r.ResponseWriter.(http.Pusher); ok { // HTTP/2: no hijacking
		if fl {
			return struct {
				*recorder
				http.Flusher
				http.Pusher
			}{r, flusher{r}, p}
		}
		return struct {
			*recorder
			http.Pusher
		}{r, p}
	}
	switch {
	case fl && hj && rf:
		return struct {
			*recorder
			http.Flusher
			http.Hijacker
			io.ReaderFrom
		}{r, flusher{r}, hijacker{r}, readerFrom{r}}
	case fl && hj:
		return struct {
			*recorder
			http.Flusher
			http.Hijacker
		}{r, flusher{r}, hijacker{r}}
	case fl && rf:
		return struct {
			*recorder
			http.Flusher
			io.ReaderFrom
		}{r, flusher{r}, readerFrom{r}}
	case hj && rf:
		return struct {
			*recorder
			http.Hijacker
			io.ReaderFrom
		}{r, hijacker{r}, readerFrom{r}}
	case fl:
		return struct {
			*recorder
			http.Flusher
		}{r, flusher{r}}
	case hj:
		return struct {
			*recorder
			http.Hijacker
		}{r, hijacker{r}}
	case rf:
		return struct {
			*recorder
			io.ReaderFrom
		}{r, readerFrom{r}}
	}
	return r
}

package httpmw

import (
	"io"
	"net/http"
	"time"
)

// The types below have exactly the methods of the writers of the standard library, and
// Unwrap. Those of writers.go and notify.go are for other writers. They always have
// WriteString, leave deadlines to http.ResponseController, and have FlushError with Flush.
type (
	http1Writer struct{ withFHRC }  // *http.response
	http2Writer struct{ withFPC }   // *http.http2responseWriter
	flushWriter struct{ *recorder } // *httptest.ResponseRecorder
	plainWriter struct{ r *recorder }
	pushWriter  struct{ plainWriter } // *http.timeoutWriter
)

// deadliner has what http.ResponseController otherwise looks for behind Unwrap.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	EnableFullDuplex() error
}

// serverWriter is common to the writers of HTTP/1 and HTTP/2.
type serverWriter interface {
	flusher
	closeNotifier
	deadliner
	io.StringWriter
}

var (
	_ serverWriter        = http1Writer{}
	_ http.Hijacker       = http1Writer{}
	_ io.ReaderFrom       = http1Writer{}
	_ serverWriter        = http2Writer{}
	_ http.Pusher         = http2Writer{}
	_ http.Flusher        = flushWriter{}
	_ http.ResponseWriter = plainWriter{}
	_ http.Pusher         = pushWriter{}
)

func (w http1Writer) SetReadDeadline(t time.Time) error  { return w.deadliner().SetReadDeadline(t) }
func (w http1Writer) SetWriteDeadline(t time.Time) error { return w.deadliner().SetWriteDeadline(t) }
func (w http1Writer) EnableFullDuplex() error            { return w.deadliner().EnableFullDuplex() }

func (w http2Writer) SetReadDeadline(t time.Time) error  { return w.deadliner().SetReadDeadline(t) }
func (w http2Writer) SetWriteDeadline(t time.Time) error { return w.deadliner().SetWriteDeadline(t) }
func (w http2Writer) EnableFullDuplex() error            { return w.deadliner().EnableFullDuplex() }

func (r *recorder) deadliner() deadliner { return r.ResponseWriter.(deadliner) }

func (w flushWriter) Flush() { w.flush() }

func (w plainWriter) Header() http.Header         { return w.r.Header() }
func (w plainWriter) Write(p []byte) (int, error) { return w.r.Write(p) }
func (w plainWriter) WriteHeader(code int)        { w.r.WriteHeader(code) }
func (w plainWriter) Unwrap() http.ResponseWriter { return w.r.ResponseWriter }
func (w plainWriter) measured() *recorder         { return w.r }

func (w pushWriter) Push(t string, o *http.PushOptions) error { return w.r.push(t, o) }

// wrap returns r with the optional interfaces of the inner writer.
func (r *recorder) wrap() http.ResponseWriter {
	inner, has := r.ResponseWriter, r.optional()
	_, notifies := inner.(closeNotifier)
	switch _, server := inner.(serverWriter); {
	case server && has == flushes|hijacks|readsFrom:
		return http1Writer{withFHRC{withFHR{r}}}
	case server && has == flushes|pushes:
		return http2Writer{withFPC{withFP{r}}}
	case notifies:
		return r.wrapNotifying(has)
	}
	switch _, strings := inner.(io.StringWriter); {
	case !strings && has == 0:
		return plainWriter{r}
	case !strings && has == pushes:
		return pushWriter{plainWriter{r}}
	case strings && has == flushes:
		if _, ok := inner.(flusher); !ok {
			return flushWriter{r}
		}
	}
	return r.wrapOther(has)
}

// The bits of optional.
const (
	flushes = 1 << iota
	hijacks
	pushes
	readsFrom
)

// optional returns which of the interfaces in writers.go the inner writer has.
func (r *recorder) optional() (has int) {
	if _, ok := r.ResponseWriter.(http.Flusher); ok {
		has |= flushes
	}
	if _, ok := r.ResponseWriter.(http.Hijacker); ok {
		has |= hijacks
	}
	if _, ok := r.ResponseWriter.(http.Pusher); ok {
		has |= pushes
	}
	if _, ok := r.ResponseWriter.(io.ReaderFrom); ok {
		has |= readsFrom
	}
	return has
}

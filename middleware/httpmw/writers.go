package httpmw

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// The types below expose exactly the optional interfaces of the inner writer:
// F is http.Flusher, H http.Hijacker, P http.Pusher and R io.ReaderFrom. Each
// holds one pointer, so that wrapping does not allocate.
type (
	withF    struct{ *recorder }
	withH    struct{ *recorder }
	withFH   struct{ *recorder }
	withP    struct{ *recorder }
	withFP   struct{ *recorder }
	withHP   struct{ *recorder }
	withFHP  struct{ *recorder }
	withR    struct{ *recorder }
	withFR   struct{ *recorder }
	withHR   struct{ *recorder }
	withFHR  struct{ *recorder }
	withPR   struct{ *recorder }
	withFPR  struct{ *recorder }
	withHPR  struct{ *recorder }
	withFHPR struct{ *recorder }
)

// flusher is http.Flusher with the error that http.ResponseController asks for.
type flusher interface {
	http.Flusher
	FlushError() error
}

var (
	_ flusher       = withF{}
	_ http.Hijacker = withH{}
	_ flusher       = withFH{}
	_ http.Hijacker = withFH{}
	_ http.Pusher   = withP{}
	_ flusher       = withFP{}
	_ http.Pusher   = withFP{}
	_ http.Hijacker = withHP{}
	_ http.Pusher   = withHP{}
	_ flusher       = withFHP{}
	_ http.Hijacker = withFHP{}
	_ http.Pusher   = withFHP{}
	_ io.ReaderFrom = withR{}
	_ flusher       = withFR{}
	_ io.ReaderFrom = withFR{}
	_ http.Hijacker = withHR{}
	_ io.ReaderFrom = withHR{}
	_ flusher       = withFHR{}
	_ http.Hijacker = withFHR{}
	_ io.ReaderFrom = withFHR{}
	_ http.Pusher   = withPR{}
	_ io.ReaderFrom = withPR{}
	_ flusher       = withFPR{}
	_ http.Pusher   = withFPR{}
	_ io.ReaderFrom = withFPR{}
	_ http.Hijacker = withHPR{}
	_ http.Pusher   = withHPR{}
	_ io.ReaderFrom = withHPR{}
	_ flusher       = withFHPR{}
	_ http.Hijacker = withFHPR{}
	_ http.Pusher   = withFHPR{}
	_ io.ReaderFrom = withFHPR{}
)

func (w withF) Flush()            { w.flush() }
func (w withF) FlushError() error { return w.flushError() }

func (w withH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w withFH) Flush()                                       { w.flush() }
func (w withFH) FlushError() error                            { return w.flushError() }
func (w withFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w withP) Push(t string, o *http.PushOptions) error { return w.push(t, o) }

func (w withFP) Flush()                                   { w.flush() }
func (w withFP) FlushError() error                        { return w.flushError() }
func (w withFP) Push(t string, o *http.PushOptions) error { return w.push(t, o) }

func (w withHP) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withHP) Push(t string, o *http.PushOptions) error     { return w.push(t, o) }

func (w withFHP) Flush()                                       { w.flush() }
func (w withFHP) FlushError() error                            { return w.flushError() }
func (w withFHP) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withFHP) Push(t string, o *http.PushOptions) error     { return w.push(t, o) }

func (w withR) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

func (w withFR) Flush()                                { w.flush() }
func (w withFR) FlushError() error                     { return w.flushError() }
func (w withFR) ReadFrom(src io.Reader) (int64, error) { return w.readFrom(src) }

func (w withHR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withHR) ReadFrom(src io.Reader) (int64, error)        { return w.readFrom(src) }

func (w withFHR) Flush()                                       { w.flush() }
func (w withFHR) FlushError() error                            { return w.flushError() }
func (w withFHR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withFHR) ReadFrom(src io.Reader) (int64, error)        { return w.readFrom(src) }

func (w withPR) Push(t string, o *http.PushOptions) error { return w.push(t, o) }
func (w withPR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }

func (w withFPR) Flush()                                   { w.flush() }
func (w withFPR) FlushError() error                        { return w.flushError() }
func (w withFPR) Push(t string, o *http.PushOptions) error { return w.push(t, o) }
func (w withFPR) ReadFrom(src io.Reader) (int64, error)    { return w.readFrom(src) }

func (w withHPR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withHPR) Push(t string, o *http.PushOptions) error     { return w.push(t, o) }
func (w withHPR) ReadFrom(src io.Reader) (int64, error)        { return w.readFrom(src) }

func (w withFHPR) Flush()                                       { w.flush() }
func (w withFHPR) FlushError() error                            { return w.flushError() }
func (w withFHPR) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
func (w withFHPR) Push(t string, o *http.PushOptions) error     { return w.push(t, o) }
func (w withFHPR) ReadFrom(src io.Reader) (int64, error)        { return w.readFrom(src) }

// wrapOther is wrap for a writer that is none of the standard library's. has holds the
// bits of its interfaces.
func (r *recorder) wrapOther(has int) http.ResponseWriter {
	switch has {
	case 1:
		return withF{r}
	case 2:
		return withH{r}
	case 3:
		return withFH{r}
	case 4:
		return withP{r}
	case 5:
		return withFP{r}
	case 6:
		return withHP{r}
	case 7:
		return withFHP{r}
	case 8:
		return withR{r}
	case 9:
		return withFR{r}
	case 10:
		return withHR{r}
	case 11:
		return withFHR{r}
	case 12:
		return withPR{r}
	case 13:
		return withFPR{r}
	case 14:
		return withHPR{r}
	case 15:
		return withFHPR{r}
	}
	return r
}

package console

import (
	"io"
	"net/http"
	"time"
)

// bodyTimeout is the time in which the body of a request must arrive.
const bodyTimeout = 30 * time.Second

// bodyWithin bounds the time in which bodies arrive. ReadTimeout of a server would end the
// event streams as well.
func bodyWithin(d time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		c := http.NewResponseController(w)
		if err := c.SetReadDeadline(time.Now().Add(d)); err != nil { // no connection, as in tests
			next.ServeHTTP(w, r)
			return
		}
		r.Body = &timedBody{r.Body, func() { _ = c.SetReadDeadline(time.Time{}) }}
		next.ServeHTTP(w, r)
	})
}

// timedBody calls read when all of it was read. The connection may be closed by then.
type timedBody struct {
	io.ReadCloser
	read func()
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.read()
	}
	return n, err
}

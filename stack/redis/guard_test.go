package redis

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestHalfRequest closes a connection whose client does not send the rest of a request, and
// none whose client has nothing to ask.
func TestHalfRequest(t *testing.T) {
	for _, c := range []struct {
		sent string
		half bool
	}{
		{"*1\r\n$4\r\nPING\r\n", false},
		{"*1\r\n$4\r\nPI", true},
		{"*2\r\n", true},
		{"*", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, conn := net.Pipe()
			g := &guarded{Conn: conn}
			ended := make(chan error, 1)
			go func() {
				_, err := io.Copy(io.Discard, g)
				ended <- err
			}()
			if _, err := io.WriteString(client, c.sent); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * maxRequest)
			synctest.Wait()
			select {
			case err := <-ended:
				if !c.half || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%q: %v", c.sent, err)
				}
			default:
				if c.half {
					t.Errorf("%q: still waits for the rest", c.sent)
				}
			}
			if err := client.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

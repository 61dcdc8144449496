package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// connections is the number of keep-alive connections of the load.
const connections = 64

// load sends rate requests per second to addr for d, whatever the server's answers take
// as long as a connection is free, and returns how many were answered. It writes and
// reads bytes, since net/http's client would use more of the processor than the server.
func load(addr string, rate int, d time.Duration) (answered int, err error) {
	var n atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, connections)
	interval := time.Second * connections / time.Duration(rate)
	start := time.Now().Add(10 * time.Millisecond)
	for i := range connections {
		all.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close()
			request := fmt.Appendf(nil, "GET /items/%d HTTP/1.1\r\nHost: shop\r\nUser-Agent: bench/1\r\n\r\n", i)
			r := bufio.NewReader(conn)
			at := start.Add(interval * time.Duration(i) / connections)
			for ; at.Before(start.Add(d)) && time.Since(start) < d; at = at.Add(interval) {
				time.Sleep(time.Until(at))
				if _, err := conn.Write(request); err != nil {
					errs[i] = err
					return
				}
				if err := readResponse(r); err != nil {
					errs[i] = err
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return int(n.Load()), errors.Join(errs...)
}

var contentLength = []byte("Content-Length: ")

// readResponse reads a response with status 200 and a length.
func readResponse(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")):
			return fmt.Errorf("%s", line)
		case bytes.HasPrefix(line, contentLength):
			if length, err = strconv.Atoi(string(line[len(contentLength):])); err != nil {
				return err
			}
		case len(line) == 0:
			if length < 0 {
				return errors.New("a response has no length")
			}
			_, err := io.CopyN(io.Discard, r, int64(length))
			return err
		}
	}
}

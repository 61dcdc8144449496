// Package redis is a Redis-protocol server in this process (miniredis), with
// its clock ticking: keys expire as they do on a real server. It keeps its data
// in memory only.
package redis

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// sweepEvery is how often expired keys that nobody asks for are removed.
const sweepEvery = time.Second

// Server is a running server. Create it with Serve and end it with Close.
type Server struct {
	mini     *miniredis.Miniredis
	listener net.Listener
	stop     chan struct{}
	done     sync.WaitGroup
	once     sync.Once
}

// Serve starts a server on l, which it owns from then on, also when it fails.
func Serve(l net.Listener) (*Server, error) {
	s := &Server{mini: miniredis.NewMiniRedis(), listener: l, stop: make(chan struct{})}
	// Dial is how miniredis starts without a listener of its own making.
	conn, err := s.mini.Dial()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start redis: %w", err), l.Close())
	}
	if err := conn.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("start redis: %w", err), l.Close())
	}
	s.mini.ClockTTL(true)
	srv := s.mini.Server()
	s.done.Go(func() { s.accept(srv) })
	s.done.Go(s.sweep)
	return s, nil
}

func (s *Server) accept(srv *server.Server) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		srv.ServeConn(&guarded{Conn: conn})
	}
}

func (s *Server) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mini.Exists("") // any access moves the clock on
		}
	}
}

// Close ends every connection.
func (s *Server) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		err = s.listener.Close()
		s.done.Wait() // no connection is handed over after this
		s.mini.Close()
	})
	return err
}

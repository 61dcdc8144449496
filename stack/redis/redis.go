// Package redis runs a Redis-protocol server in this process (miniredis). Keys
// expire in real time, at most 200 ms early or late. Data is kept in memory only.
//
// Scripts and functions (EVAL, SCRIPT, FCALL and their variants) are refused: a script
// that does not end would block every other client.
package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/tenhop/tenhop/internal/connlimit"
)

// sweepInterval is the interval at which the remaining lifetimes of keys are reduced.
// miniredis looks at every key for that. With its own clock it does so at every
// command, so that commands slow down as keys accumulate.
const sweepInterval = 200 * time.Millisecond

// Bounds of the pause after a failed Accept, for example when file descriptors are
// exhausted. The pause doubles with every consecutive failure.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// scripting holds the commands that run code sent by the client.
var scripting = map[string]bool{
	"EVAL": true, "EVALSHA": true, "EVAL_RO": true, "EVALSHA_RO": true, "SCRIPT": true,
	"FCALL": true, "FCALL_RO": true, "FUNCTION": true,
}

// Server is a running server. Create it with Serve and end it with Close.
type Server struct {
	mini     *miniredis.Miniredis
	listener net.Listener
	queued   atomic.Int64 // bytes of responses that clients have not read
	log      *slog.Logger
	stop     chan struct{}
	done     sync.WaitGroup
	once     sync.Once
}

// Option configures a Server.
type Option func(*Server)

// WithLogger sets the logger for failures to accept connections. The default is
// slog.Default.
func WithLogger(l *slog.Logger) Option { return func(s *Server) { s.log = l } }

// Serve starts a server on l. The server owns l, also when Serve fails.
func Serve(l net.Listener, opts ...Option) (*Server, error) {
	s := &Server{mini: miniredis.NewMiniRedis(), listener: connlimit.Listener(l, maxConnections), log: slog.Default(), stop: make(chan struct{})}
	for _, o := range opts {
		o(s)
	}
	// Dial starts miniredis without a listener of its own.
	conn, err := s.mini.Dial()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start redis: %w", err), l.Close())
	}
	if err := conn.Close(); err != nil {
		return nil, errors.Join(fmt.Errorf("start redis: %w", err), l.Close())
	}
	srv := s.mini.Server()
	srv.SetPreHook(func(c *server.Peer, cmd string, args ...string) bool {
		return refuseScripts(c, cmd) || refuseSizes(c, cmd, args)
	})
	s.done.Go(func() { s.accept(srv) })
	s.done.Go(s.sweep)
	return s, nil
}

// refuseScripts responds to scripting commands with an error and closes the connection,
// since miniredis offers no way to abort its transaction. miniredis runs a script under
// the lock that every command takes, without a time limit.
func refuseScripts(c *server.Peer, cmd string) bool {
	if !scripting[cmd] {
		return false
	}
	c.WriteError("ERR " + cmd + " is not supported: this server runs no scripts")
	c.Close()
	return true
}

// refuseSizes responds with an error to a command that names a size beyond the limits of a
// request, and closes the connection: miniredis allocates it, byte by byte and under its
// lock.
func refuseSizes(c *server.Peer, cmd string, args []string) bool {
	if len(args) < 2 {
		return false
	}
	most := int64(0)
	switch cmd {
	case "SETRANGE": // key, offset in bytes
		most = maxBulk
	case "SETBIT": // key, offset in bits
		most = 8 * maxBulk
	case "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "SPOP": // key, count; a negative one repeats members
		most = maxArguments
	default:
		return false
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err == nil && -most <= n && n <= most {
		return false
	}
	c.WriteError("ERR " + cmd + ": the offset or count is no number or exceeds the limit of this server")
	c.Close()
	return true
}

// accept hands connections to srv until Close. A failed Accept is logged and
// tried again.
func (s *Server) accept(srv *server.Server) {
	pause := minAcceptPause
	for {
		conn, err := s.listener.Accept()
		if err == nil {
			pause = minAcceptPause
			srv.ServeConn(&guarded{Conn: &outgoing{Conn: conn, all: &s.queued}})
			continue
		}
		select {
		case <-s.stop:
			return
		default:
		}
		s.log.Warn("redis: accept failed, trying again", "error", err, "pause", pause)
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
			pause = min(2*pause, maxAcceptPause)
		}
	}
}

func (s *Server) sweep() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			now := time.Now()
			s.mini.FastForward(now.Sub(last))
			last = now
		}
	}
}

// Close closes the listener and every connection. It is safe to call more than
// once.
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

package connectmw

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"connectrpc.com/connect"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// clientConn is a stream that is a wait only while it blocks in a send or a receive. A
// stream may be open and idle for long.
type clientConn struct {
	connect.StreamingClientConn
	call       clientCall
	pending    adapter.Pending
	ctx        context.Context
	hop        *adapter.Hop
	dependency adapter.Dependency
	inject     sync.Once // the header is complete at the first send
	stop       func() bool
	armed      atomic.Bool // stop and pending are set
	ended      atomic.Bool
}

func (s *clientConn) injectOnce() {
	s.inject.Do(func() { s.call.call.InjectHeader(s.ctx, s.RequestHeader()) })
}

// Send sends a message. io.EOF means that the server has ended the stream, whose error comes
// from Receive.
func (s *clientConn) Send(m any) error {
	s.injectOnce()
	w := s.hop.StartCall(s.dependency)
	err := s.StreamingClientConn.Send(m)
	w.End()
	if err != nil && !errors.Is(err, io.EOF) {
		s.finish(err)
	}
	return err
}

// CloseRequest closes the sending side. It sends the request when nothing was sent before.
func (s *clientConn) CloseRequest() error {
	s.injectOnce()
	w := s.hop.StartCall(s.dependency)
	defer w.End()
	return s.StreamingClientConn.CloseRequest()
}

// Receive receives a message and ends the call at the end of the stream.
func (s *clientConn) Receive(m any) error {
	w := s.hop.StartCall(s.dependency)
	err := s.StreamingClientConn.Receive(m)
	w.End()
	switch {
	case errors.Is(err, io.EOF):
		s.finish(nil)
	case err != nil:
		s.finish(err)
	}
	return err
}

// CloseResponse closes the receiving side and ends the call.
func (s *clientConn) CloseResponse() error {
	w := s.hop.StartCall(s.dependency)
	err := s.StreamingClientConn.CloseResponse()
	w.End()
	s.finish(nil)
	return err
}

func (s *clientConn) abandoned() { s.end(nil) }
func (s *clientConn) cancelled() { s.end(s.ctx.Err()) }

func (s *clientConn) finish(err error) {
	if s.armed.CompareAndSwap(true, false) {
		if s.stop != nil {
			s.stop()
		}
		s.pending.Release()
	}
	s.end(err)
}

func (s *clientConn) end(err error) {
	if s.ended.CompareAndSwap(false, true) {
		s.call.end(err)
	}
}

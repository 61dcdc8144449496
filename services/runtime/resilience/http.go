package resilience

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// HeaderTimeout holds the time in milliseconds within which a caller expects the response,
// as Envoy sends it.
const HeaderTimeout = "X-Envoy-Expected-Rq-Timeout-Ms"

// Transport returns a transport that belongs around the measured transport next. Requests
// of idempotent methods (RFC 9110) whose body can be sent again are retried.
func (c *Client) Transport(next http.RoundTripper) http.RoundTripper { return around{c, next} }

type around struct {
	*Client
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t around) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel, err := t.deadline(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	var resp *http.Response
	repeatable := idempotentHTTP(r.Method) && (r.Body == nil || r.Body == http.NoBody || r.GetBody != nil)
	err = t.retry(ctx, repeatable, func(ctx context.Context) (outcome, error) {
		if resp != nil { // of the attempt before
			_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
			resp.Body.Close()
			resp = nil
		}
		again := r.Clone(ctx)
		if earlier(ctx) > 0 && r.GetBody != nil {
			body, err := r.GetBody()
			if err != nil {
				return answered, err
			}
			again.Body = body
		}
		if d, ok := ctx.Deadline(); ok {
			again.Header.Set(HeaderTimeout, strconv.FormatInt(max(time.Until(d).Milliseconds(), 1), 10))
		}
		var err error
		resp, err = t.next.RoundTrip(again) //nolint:bodyclose // the caller or the next attempt closes it
		o := outcomeOfHTTP(ctx, resp, err)
		if err == nil && o == failed {
			err = errStatus
		}
		return o, err
	})
	if err != nil && !errors.Is(err, errStatus) || resp == nil {
		cancel()
		if resp != nil {
			resp.Body.Close()
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	resp.Body = &body{resp.Body, cancel}
	return resp, nil
}

// CloseIdleConnections closes those of next.
func (t around) CloseIdleConnections() { closeIdle(t.next) }

// TransportWithin returns a transport that belongs within the measured transport.
func (c *Client) TransportWithin(next http.RoundTripper) http.RoundTripper { return within{c, next} }

type within struct {
	*Client
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A call is in flight until its header arrives.
func (t within) RoundTrip(r *http.Request) (*http.Response, error) {
	if n := earlier(r.Context()); n > 0 {
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.Int("http.request.resend_count", n))
	}
	done, err := t.admit(r.Context())
	if err != nil {
		closeBody(r)
		return nil, err
	}
	resp, err := t.next.RoundTrip(r)
	done(outcomeOfHTTP(r.Context(), resp, err))
	return resp, err
}

// CloseIdleConnections closes those of next.
func (t within) CloseIdleConnections() { closeIdle(t.next) }

func closeIdle(of http.RoundTripper) {
	if c, ok := of.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// errStatus stands for a response that says that the server is unavailable.
var errStatus = errors.New("the server is unavailable")

func outcomeOfHTTP(ctx context.Context, resp *http.Response, err error) outcome {
	switch {
	case err != nil && (errors.As(err, new(refusal)) || ctx.Err() != nil):
		return otherwise
	case err != nil:
		return failed
	case resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusServiceUnavailable:
		if d, ok := ctx.Deadline(); ok && time.Until(d) < minReserve {
			return otherwise // the server's time ends shortly before the caller's
		}
		return failed
	}
	return answered
}

func idempotentHTTP(method string) bool {
	switch method {
	case http.MethodGet, "", http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

// body ends the context of a call when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// Handler returns a handler that ends requests with the time that their caller waits. It is
// for servers whose callers are trusted.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ms, err := strconv.ParseUint(r.Header.Get(HeaderTimeout), 10, 31); err == nil && ms > 0 {
			ctx, cancel := context.WithTimeout(r.Context(), time.Duration(ms)*time.Millisecond)
			defer cancel()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

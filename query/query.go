// Package query implements the common part of the clients of the telemetry back ends:
// HTTP requests, errors and time budgets. The subpackages are the clients of
// Prometheus, Jaeger, Tempo and Loki.
//
// A client takes an *http.Client. Its Transport adds credentials, TLS settings and
// tenant headers; package config creates one from a configuration file. Errors name the
// back end by its address. They never repeat the user information or the query of a URL,
// nor the secrets of the Transport.
package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tenhop/tenhop/trace"
)

// ErrNotFound is returned if a back end does not have the requested object.
var ErrNotFound = errors.New("not found")

// Search selects traces with at least one span that meets all conditions.
type Search struct {
	Service, Operation string
	Tags               map[string]string
	From, To           time.Time     // start of the span
	Min, Max           time.Duration // of the span; 0 for any
	Failed             bool          // only spans whose status is an error
	Limit              int           // traces
}

// Clients holds the HTTP clients of the back ends. A nil client is http.DefaultClient.
type Clients struct{ Prometheus, Jaeger, Tempo, Loki *http.Client }

// Tracer is a back end that holds traces.
type Tracer interface {
	fmt.Stringer // its name and address
	// Services returns the services that have sent spans.
	Services(ctx context.Context) ([]string, error)
	// Operations returns the span names of a service.
	Operations(ctx context.Context, service string) ([]string, error)
	// Traces returns the traces that match a search, newest first.
	Traces(ctx context.Context, s Search) ([]trace.Trace, error)
	// Trace returns one trace. The error is ErrNotFound if there is none with this ID.
	Trace(ctx context.Context, id string) (trace.Trace, error)
}

// Adviser is implemented by the Transport of a client that knows the settings it was
// made from.
type Adviser interface {
	// Advice returns what to change after a response with this status, or after err if
	// there was no response. It is empty if the settings are not the cause.
	Advice(status int, err error) string
	// Secrets returns the texts that must not be repeated.
	Secrets() []string
}

// Product is a kind of back end.
type Product struct {
	Name      string // "Jaeger"
	Example   string // example URL, for the error about an invalid one
	MaxAnswer int64  // maximum size of a response in bytes; a longer one is an error
}

// Backend is the HTTP API of one server.
type Backend struct {
	product Product
	base    *url.URL
	client  *http.Client
}

// At returns the back end at a base URL. A nil client is http.DefaultClient.
func (p Product) At(base string, client *http.Client) (*Backend, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the URL of %s; it must look like %s", Redact(base), p.Name, p.Example)
	}
	if client == nil {
		client = http.DefaultClient
	}
	return &Backend{p, u, client}, nil
}

// Redact returns a URL without its user information, query and fragment. In text that
// is not a URL, it removes everything before the last "@".
func Redact(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "//")
	if ok && !strings.Contains(scheme, "@") {
		scheme += "//"
	} else {
		scheme, rest = "", raw
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	return scheme + rest
}

// URL returns the base URL, redacted.
func (b *Backend) URL() string { return Redact(b.base.String()) }

// StatusError is returned for a response with an unexpected status.
type StatusError struct {
	Backend string // its name and address
	Code    int    // HTTP status
	Body    string // beginning of the body, printable characters only
	Advice  string // what to change; may be empty
}

// Error implements error.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s answers %d %s", e.Backend, e.Code, http.StatusText(e.Code))
	if e.Body != "" {
		s += ": " + e.Body
	}
	return withAdvice(s, e.Advice)
}

func withAdvice(s, advice string) string {
	if advice != "" {
		s += "; " + advice
	}
	return s
}

// UnreachableError is returned if a back end does not respond.
type UnreachableError struct {
	Backend string // its name and address
	Err     error
	Advice  string // what to change; may be empty
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return withAdvice(fmt.Sprintf("%s does not answer: %v", e.Backend, e.Err), e.Advice)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Answer is a complete response.
type Answer struct {
	Code int // HTTP status
	Body []byte
}

// Get sends a GET request and returns the response, whatever its status. It escapes the
// segments of the path. If accept is empty, the Accept header asks for JSON.
func (b *Backend) Get(ctx context.Context, accept string, q url.Values, segments ...string) (Answer, error) {
	resp, err := b.Do(ctx, accept, q, segments...)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, b.product.MaxAnswer+1))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", b, cause(err))
	}
	if int64(len(body)) > b.product.MaxAnswer {
		return Answer{}, fmt.Errorf("the answer of %s is longer than %d MiB; ask for less", b, b.product.MaxAnswer>>20)
	}
	return Answer{resp.StatusCode, body}, nil
}

// Do sends a GET request and returns the response unread. The caller must close its
// body.
func (b *Backend) Do(ctx context.Context, accept string, q url.Values, segments ...string) (*http.Response, error) {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		if s == "." || s == ".." {
			return nil, fmt.Errorf("%q is not a name that %s can be asked for", s, b.product.Name)
		}
		escaped[i] = url.PathEscape(s)
	}
	target := b.base.JoinPath(escaped...)
	target.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", b, cause(err))
	}
	if accept == "" {
		accept = "application/json"
	}
	req.Header.Set("Accept", accept)
	resp, err := b.client.Do(req)
	if err != nil {
		err = cause(err)
		gone := &UnreachableError{Backend: b.String(), Err: b.scrubbed(err)}
		if a := b.adviser(); a != nil {
			gone.Advice = a.Advice(0, err)
		}
		return nil, gone
	}
	return resp, nil
}

// String returns the back end's name and address, in the form that errors use.
func (b *Backend) String() string { return b.product.Name + " at " + b.URL() }

// JSON sends a GET request and decodes the response. It returns a *StatusError for a
// status other than 200.
func (b *Backend) JSON(ctx context.Context, into any, q url.Values, segments ...string) error {
	a, err := b.Get(ctx, "", q, segments...)
	if err != nil {
		return err
	}
	return b.Decode(a, into)
}

// Decode decodes a response as JSON does.
func (b *Backend) Decode(a Answer, into any) error {
	if a.Code != http.StatusOK {
		return b.Status(a)
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		return b.Unlike(a, err)
	}
	return nil
}

// Status returns the error for a response with an unexpected status.
func (b *Backend) Status(a Answer) error {
	e := &StatusError{Backend: b.String(), Code: a.Code, Body: excerpt([]byte(b.Scrub(string(a.Body))))}
	if adviser := b.adviser(); adviser != nil {
		e.Advice = adviser.Advice(a.Code, nil)
	}
	return e
}

// Denied reports whether a status means that the back end refuses who asks.
func Denied(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired
}

// Unlike returns the error for a response that does not conform to the product's API.
func (b *Backend) Unlike(a Answer, err error) error {
	if isHTML(a.Body) {
		err = errors.New("it is an HTML page")
	}
	return fmt.Errorf("%s does not answer like %s: %w", b.URL(), b.product.Name, b.scrubbed(err))
}

// cause unwraps the error of an HTTP client, since its text contains the complete URL.
func cause(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err
}

func isHTML(body []byte) bool {
	head := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), 200)])))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html")
}

// excerpt returns the beginning of a body without control characters.
func excerpt(body []byte) string {
	if isHTML(body) {
		return "an HTML page"
	}
	const most = 200 // bytes
	return Printable(strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), most)]), "")))
}

// Printable replaces characters that are not printable by spaces.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return ' '
	}, s)
}

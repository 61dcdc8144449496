package httpmw

import "net/http"

// echoHeader is the response header that has the correlation ID, in canonical form.
const echoHeader = "X-Correlation-Id"

// settleEcho prepares the header of the final response. What the handler has set or
// added itself replaces the correlation ID: its own, or that of the service behind a
// reverse proxy.
func (s *state) settleEcho(h http.Header) {
	switch ids := h[echoHeader]; {
	case len(ids) > 1 && ids[0] == s.echo[0]:
		h[echoHeader] = ids[1:]
	case len(ids) == 0 && s.withheld:
		h[echoHeader] = s.echo[:]
	}
}

// withholdEcho takes the correlation ID out of the header of an interim response. A
// reverse proxy clears the header after it.
func (s *state) withholdEcho(h http.Header) {
	ids := h[echoHeader]
	if len(ids) == 0 || ids[0] != s.echo[0] {
		return
	}
	s.withheld = true
	if len(ids) == 1 {
		delete(h, echoHeader)
	} else {
		h[echoHeader] = ids[1:]
	}
}

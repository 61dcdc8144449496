package httpmw

import "net/http"

// echoHeader is the response header that has the correlation ID, in canonical form.
const echoHeader = "X-Correlation-Id"

// settleEcho prepares the header of the final response. What the handler has set or
// added itself replaces the correlation ID: its own, or that of the service behind a
// reverse proxy.
func (s *state) settleEcho(h http.Header) {
	if ids := h[echoHeader]; len(ids) > 1 && ids[0] == s.echo[0] {
		h[echoHeader] = ids[1:]
	}
}

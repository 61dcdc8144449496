package messaging

import (
	"slices"
	"strings"
)

// HeaderWriter sets the headers of a message to send. Its zero value is ready to use. A
// message has one, since it remembers what was set.
type HeaderWriter struct {
	state bool // tracestate was set
}

// SetHeader returns headers with header in place of all headers named key. With
// traceparent it removes the tracestate that a republished message has from its former
// traceparent. is reports whether a header has a name, in any case. headers is modified.
func SetHeader[H any](w *HeaderWriter, headers []H, header H, key string, is func(h H, key string) bool) []H {
	switch {
	case strings.EqualFold(key, "tracestate"):
		w.state = true
	case strings.EqualFold(key, "traceparent") && !w.state:
		headers = slices.DeleteFunc(headers, func(h H) bool { return is(h, "tracestate") })
	}
	for i := range headers {
		if is(headers[i], key) {
			headers[i] = header
			rest := slices.DeleteFunc(headers[i+1:], func(h H) bool { return is(h, key) })
			return headers[:i+1+len(rest)]
		}
	}
	return append(headers, header)
}

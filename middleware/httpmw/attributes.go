package httpmw

import (
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// maxAttribute is the maximum length in bytes of an attribute that a caller sets.
const maxAttribute = 256

// unmatched is the route of requests that matched no pattern.
const unmatched = "unmatched"

// startAttributes appends the attributes that the semantic conventions require at
// the start of a server span, for samplers. client.address is the peer's, since
// forwarded headers are not trusted. At a public edge the path is added at the end, see
// publicPath.
func startAttributes(a []attribute.KeyValue, r *http.Request, m string, public bool) []attribute.KeyValue {
	a = append(a, adapter.AttrHTTPMethod.String(m), adapter.AttrURLScheme.String(scheme(r.TLS != nil)))
	if !public {
		a = append(a, adapter.AttrURLPath.String(clip(r.URL.Path)))
	}
	if m == adapter.Overflow {
		a = append(a, adapter.AttrHTTPMethodOriginal.String(clip(r.Method)))
	}
	if r.Host != "" {
		host, port := splitHost(r.Host)
		a = append(a, adapter.AttrServerAddress.String(clip(host)))
		if port > 0 {
			a = append(a, adapter.AttrServerPort.Int(port))
		}
	}
	if host, _ := splitHost(r.RemoteAddr); host != "" {
		a = append(a, adapter.AttrClientAddress.String(host))
	}
	if ua := r.Header["User-Agent"]; len(ua) > 0 && ua[0] != "" {
		a = append(a, adapter.AttrUserAgent.String(clip(ua[0])))
	}
	return a
}

// redacted is the semantic conventions' replacement of sensitive values.
const redacted = "REDACTED"

// publicPath returns the path of a request from the internet for url.path. Only the
// literal segments of the route are kept: the others are the client's, who may have put
// a token, an address or a card number there.
func publicPath(path, route string) string {
	if i := strings.IndexByte(route, '/'); i > 0 {
		route = route[i:] // without the host of a pattern
	}
	literals := strings.Split(route, "/")
	segments := strings.Split(clip(path), "/")
	for i, segment := range segments {
		if segment != "" && (i >= len(literals) || segment != literals[i]) {
			segments[i] = redacted
		}
	}
	return strings.Join(segments, "/")
}

// splitHost splits host:port. The port is 0 when there is none.
func splitHost(s string) (host string, port int) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s, ']') > i || strings.IndexByte(s, ':') != i && s[0] != '[' {
		return strings.Trim(s, "[]"), 0
	}
	port, err := strconv.Atoi(s[i+1:])
	if err != nil || port < 0 || port > 65535 {
		port = 0
	}
	return strings.Trim(s[:i], "[]"), port
}

func scheme(tls bool) string {
	if tls {
		return "https"
	}
	return "http"
}

func version(r *http.Request) string {
	switch {
	case r.ProtoMajor == 1 && r.ProtoMinor == 1:
		return "1.1"
	case r.ProtoMajor == 2:
		return "2"
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

// clip truncates a caller's string and makes it valid UTF-8.
func clip(s string) string {
	if len(s) > maxAttribute {
		s = s[:maxAttribute]
	}
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "?")
}

// routeOf returns http.route of a ServeMux pattern: its path, without method and host.
func routeOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i > 0 {
		pattern = pattern[i:]
	}
	return clip(pattern)
}

// methods holds the methods that the semantic conventions know. The first stands
// for all others.
var methods = [...]string{adapter.Overflow, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
	http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY"}

func methodIndex(m string) int {
	if m == "" {
		return 1 // the empty method means GET in net/http
	}
	for i := 1; i < len(methods); i++ {
		if methods[i] == m {
			return i
		}
	}
	return 0
}

// method returns a method as a label value.
func method(m string) string { return methods[methodIndex(m)] }

// spanMethod returns a method for a span's name. The semantic conventions use HTTP
// for unknown ones.
func spanMethod(m string) string {
	if m == adapter.Overflow {
		return "HTTP"
	}
	return m
}

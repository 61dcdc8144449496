package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/tenhop/tenhop/internal/hostcheck"
)

// contentPolicy allows the page's own script and style only. Script sets the positions
// of charts and of the map, to which the policy does not apply.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard rejects requests that another site could send through a user's browser. It sets
// the headers that prevent a browser from executing telemetry as content.
func guard(hosts []string, next http.Handler) http.Handler {
	allowed := make([]string, len(hosts)) // in lower case
	for i, h := range hosts {
		allowed[i] = strings.ToLower(strings.TrimSuffix(h, "."))
	}
	crossOrigin := http.NewCrossOriginProtection()
	next = bodyWithin(bodyTimeout, next)
	return crossOrigin.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !hostcheck.Allowed(r.Host, allowed) {
			writeError(w, &apiError{http.StatusMisdirectedRequest,
				"the console does not accept the host name " + r.Host + "; use its address, or add the name to the console's hosts"})
			return
		}
		if hostcheck.Embedded(r) { // a hundred event streams would lock others out
			writeError(w, &apiError{http.StatusForbidden, "pages of other sites may link to the console, not load from it"})
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	}))
}

// withToken passes on requests that carry the token.
func withToken(token string, next http.HandlerFunc) http.HandlerFunc {
	want := sha256.Sum256([]byte("Bearer " + token))
	return func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		switch {
		case token == "":
			writeError(w, &apiError{http.StatusForbidden, "actions are switched off: the console was started without a token"})
		case subtle.ConstantTimeCompare(got[:], want[:]) != 1:
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, &apiError{http.StatusUnauthorized, "this needs the token, which is in .tenhop/up.json"})
		default:
			next(w, r)
		}
	}
}

// checkToken responds to a request whose token was accepted.
func (c *Console) checkToken(*http.Request) (Done, error) { return Done{}, nil }

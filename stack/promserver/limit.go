package promserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// The bounds of a request's text. Prometheus needs a time that grows with the square of the
// depth of a query, and cannot be interrupted while it parses or formats.
const (
	maxQueryBytes = 32 << 10
	maxNesting    = 100 // parentheses inside of each other
	maxOperators  = 500 // a chain of operators is as deep as it is long
	maxSelectors  = 100 // parameters match[]
	// maxFormatting bounds the bytes of a query times the square of its depth. Formatting
	// copies the text at each level, once for each level above: a second or two.
	maxFormatting = 1e9
	// maxParameters is the maximum size of all parameters in bytes: a query whose every byte
	// is escaped, and others.
	maxParameters = 3*maxQueryBytes + 16<<10
)

var errTooLong = fmt.Errorf("the parameters of the request have more than %d bytes", maxParameters)

// limiter bounds the parameters of requests to Prometheus's API, and the number of
// expensive requests that run at a time, since each may use the memory of maxSamples. The
// evaluation of rules is not limited.
type limiter struct {
	running chan struct{}
	timeout time.Duration
}

func newLimiter(queries int, timeout time.Duration) *limiter {
	return &limiter{running: make(chan struct{}, queries), timeout: timeout}
}

// limit returns a handler that passes requests on to next. A request whose parameters exceed
// a bound gets 400. An expensive request waits for a slot, and gets 503 if there is none
// before the timeout. Both errors have Prometheus's format.
func (l *limiter) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkParameters(w, r); err != nil {
			refuse(w, http.StatusBadRequest, "bad_data", err.Error())
			return
		}
		if !expensive(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		wait, cancel := context.WithTimeout(r.Context(), l.timeout)
		defer cancel()
		select {
		case l.running <- struct{}{}:
			defer func() { <-l.running }()
		case <-wait.Done():
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "unavailable", "too many queries are running; try again later")
			return
		}
		// For calls that do not use the engine, which has its own timeout.
		ctx, cancel := context.WithTimeout(r.Context(), l.timeout+time.Second)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// expensive reports whether a request reads series or processes the text of a query.
func expensive(path string) bool {
	path = strings.TrimPrefix(path, "/api/v1/")
	for _, prefix := range []string{"query", "format_query", "parse_query", "series", "label", "read", "status/tsdb"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// checkParameters reads the parameters of a request and returns an error if they exceed a
// bound. A remote read has none: its body is a message, of which Prometheus reads 32 MiB.
func checkParameters(w http.ResponseWriter, r *http.Request) error {
	if len(r.URL.RawQuery) > maxParameters {
		return errTooLong
	}
	if r.URL.Path == "/api/v1/read" {
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxParameters)
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxParameters)
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return errTooLong
	case err != nil && !errors.Is(err, http.ErrNotMultipart):
		return fmt.Errorf("the parameters of the request cannot be parsed: %w", err)
	}
	if n := len(r.Form["match[]"]); n > maxSelectors {
		return fmt.Errorf("the request has %d selectors, more than %d", n, maxSelectors)
	}
	for _, name := range []string{"query", "match[]"} {
		for _, text := range r.Form[name] {
			if err := checkText(text, strings.HasSuffix(r.URL.Path, "/format_query")); err != nil {
				return fmt.Errorf("invalid parameter %q: %w", name, err)
			}
		}
	}
	return nil
}

// checkText returns an error if a query is too long or too deep to be parsed and formatted
// in a short time. It reads the tokens only, and leaves errors to the parser.
func checkText(query string, formatted bool) error {
	if len(query) > maxQueryBytes {
		return fmt.Errorf("the query has %d bytes, more than %d", len(query), maxQueryBytes)
	}
	lexer := parser.Lex(query)
	var token parser.Item
	nesting, deepest, operators, patterns := 0, 0, 0, 0
	for lexer.NextItem(&token); token.Typ != parser.EOF && token.Typ != parser.ERROR; lexer.NextItem(&token) {
		switch {
		case token.Typ == parser.LEFT_PAREN:
			nesting++
			deepest = max(deepest, nesting)
		case token.Typ == parser.RIGHT_PAREN:
			nesting--
		case token.Typ == parser.STRING:
			patterns += expanded(token.Val)
		case token.Typ.IsOperator():
			operators++
		}
		if patterns > maxPatterns {
			return fmt.Errorf("the regular expressions of the query are longer than %d characters, repetitions written out", maxPatterns)
		}
		if nesting > maxNesting {
			return fmt.Errorf("the query has more than %d parentheses inside of each other", maxNesting)
		}
		if operators > maxOperators {
			return fmt.Errorf("the query has more than %d operators", maxOperators)
		}
	}
	if depth := float64(deepest + operators); formatted && float64(len(query))*depth*depth > maxFormatting {
		return errors.New("the query is too long and has too many parentheses and operators to be formatted")
	}
	return nil
}

func refuse(w http.ResponseWriter, code int, kind, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{ // the client is gone
		"status": "error", "errorType": kind, "error": reason,
	})
}

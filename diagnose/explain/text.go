package explain

import (
	"regexp"
	"strings"
	"unicode"
)

const (
	maxQuote   = 200  // characters of a quote
	maxBytes   = 4096 // bytes of a text that are read
	redactedAs = "***"
)

// variable matches the parts of a text that differ from one request to another: words
// with a digit, addresses, and what stands in quotation marks.
var variable = regexp.MustCompile(`"[^"]*"|` + "`[^`]*`" + `|\B'[^']*'|[^\s"'=,;:()\[\]{}<>]*[0-9@][^\s"'=,;()\[\]{}<>]*`)

// template reduces a text to what it has in common with texts of the same kind.
func template(text string) string {
	return strings.Join(strings.Fields(variable.ReplaceAllString(head(text), "#")), " ")
}

// head returns the first maxBytes bytes of a text.
func head(text string) string {
	if len(text) > maxBytes {
		text = strings.ToValidUTF8(text[:maxBytes], "")
	}
	return text
}

// Patterns of credentials. Each is replaced except for its groups.
var credentials = []*regexp.Regexp{
	regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]*(?:KEY|CERTIFICATE)-----).*`),
	regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*(@)`),                // userinfo of a URL
	regexp.MustCompile(`()\b[\w.-]+:[^\s@"'/][^\s@"']*(@)`),                        // the same without a scheme
	regexp.MustCompile(`(?i)(\b(?:bearer|basic|digest)\s+)[A-Za-z0-9+/=._~-]{6,}`), // HTTP authorization
	regexp.MustCompile(`(?i)([\w.-]*(?:passw(?:or)?d|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie|credential|signature|\bsig|\bauth|session[_-]?id|\bpin|cvv|cvc)[\w.-]*["']?\s*[=:]\s*)(?:"[^"]*"?|'[^']*'?|[^\s&;,})\]]+)`),
	regexp.MustCompile(`\b()eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_.-]+`),                                                     // JSON web token
	regexp.MustCompile(`\b()(?:AKIA|ASIA)[A-Z0-9]{12,}`),                                                                // AWS access key
	regexp.MustCompile(`\b()(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk[-_](?:live|test)?[-_]?)[A-Za-z0-9_-]{10,}`), // tokens with a prefix
}

// redact replaces what looks like a credential in a text.
func redact(text string) string {
	for _, p := range credentials {
		text = p.ReplaceAllString(text, "${1}"+redactedAs+"${2}")
	}
	return card.ReplaceAllStringFunc(text, func(number string) string {
		if luhn(number) {
			return redactedAs
		}
		return number
	})
}

// card matches what may be the number of a payment card.
var card = regexp.MustCompile(`\b(?:\d[ -]?){12,18}\d\b`)

// luhn reports whether the digits of a number have the check digit of payment cards.
func luhn(number string) bool {
	sum, double := 0, false
	for i := len(number) - 1; i >= 0; i-- {
		d := int(number[i] - '0')
		if d < 0 || d > 9 {
			continue
		}
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, double = sum+d, !double
	}
	return sum%10 == 0
}

// tidy returns a text as it is quoted: on one line, without control characters and
// credentials, cut to maxQuote characters.
func tidy(text string) string {
	text = redact(head(text))
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxQuote {
		text = strings.TrimSpace(string(runes[:maxQuote-1])) + "…"
	}
	return text
}

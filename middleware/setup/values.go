package setup

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// getenv returns a variable without the spaces around it. An empty value is an unset one.
func getenv(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// enum returns a variable of a fixed set of values, in lower case, or its default.
func enum(name, fallback string) string { return cmp.Or(strings.ToLower(getenv(name)), fallback) }

// truth reports whether a boolean variable is true.
func truth(name string) bool { return strings.EqualFold(getenv(name), "true") }

// number returns the first of some variables that is set, or the default.
// checkEnvironment has checked them.
func number(fallback int, names ...string) int {
	for _, name := range names {
		if n, err := strconv.Atoi(getenv(name)); err == nil {
			return n
		}
	}
	return fallback
}

// duration returns a variable in milliseconds, or the default.
func duration(name string, fallback time.Duration) time.Duration {
	return time.Duration(number(int(fallback/time.Millisecond), name)) * time.Millisecond
}

// timeout is a duration whose zero is no limit.
func timeout(name string, fallback time.Duration) time.Duration {
	if d := duration(name, fallback); d > 0 {
		return d
	}
	return math.MaxInt32 * time.Millisecond // as the specification suggests
}

// text checks a name. The exporters could not encode other bytes.
func text(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("the value is not UTF-8")
	}
	return nil
}

// boolean checks a boolean. The specification has no other words for true and false.
func boolean(s string) error {
	if !strings.EqualFold(s, "true") && !strings.EqualFold(s, "false") {
		return fmt.Errorf("%q is not a boolean", s)
	}
	return nil
}

func oneOf(values ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(values, strings.ToLower(s)) {
			return fmt.Errorf("%q is not supported", s)
		}
		return nil
	}
}

// listOf checks a list whose value "none" stands alone.
func listOf(values ...string) func(string) error {
	return func(s string) error {
		parts := list(s)
		for i, p := range parts {
			if p == "" {
				return fmt.Errorf("member %d of the list is empty", i+1)
			}
			if !slices.Contains(values, p) {
				return fmt.Errorf("%q is not supported", p)
			}
		}
		if len(parts) > 1 && slices.Contains(parts, "none") {
			return errors.New("none excludes all others")
		}
		return nil
	}
}

// list splits a list of names. A name counts once.
func list(s string) []string {
	var parts []string
	for p := range strings.SplitSeq(s, ",") {
		if p = strings.ToLower(strings.TrimSpace(p)); !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	return parts
}

// selected returns the exporters that a variable selects, or its default.
func selected(name, fallback string) []string { return list(enum(name, fallback)) }

// stableConventions checks OTEL_SEMCONV_STABILITY_OPT_IN.
func stableConventions(s string) error {
	for _, p := range list(s) {
		if strings.HasSuffix(p, "/dup") {
			return fmt.Errorf("%q is not supported", p)
		}
	}
	return nil
}

// A pair is a member of a list of key=value.
type pair struct{ key, value string }

// pairs splits a list of key=value with percent-encoded values. The error names the
// member by its number, since its text may be a secret.
func pairs(s string) ([]pair, error) {
	var out []pair
	for i, member := range strings.Split(s, ",") {
		if strings.TrimSpace(member) == "" {
			continue
		}
		k, v, ok := strings.Cut(member, "=")
		if k = strings.TrimSpace(k); !ok || k == "" {
			return nil, fmt.Errorf("member %d is not key=value", i+1)
		}
		v, err := url.PathUnescape(strings.TrimSpace(v))
		if err != nil {
			return nil, fmt.Errorf("the value of member %d is not percent-encoded: %% stands before two hexadecimal digits, and %%25 is a percent sign", i+1)
		}
		out = append(out, pair{k, v})
	}
	return out, nil
}

// headers checks a list of headers.
func headers(s string) error {
	all, err := pairs(s)
	for i, p := range all {
		if strings.ContainsFunc(p.key, notToken) {
			return fmt.Errorf("the name of header %d has a character that a header's name cannot have", i+1)
		}
		if strings.ContainsFunc(p.value, notPrintable) {
			return fmt.Errorf("the value of header %d has a character that is not printable ASCII", i+1)
		}
	}
	return err
}

func notToken(r rune) bool {
	return notPrintable(r) || strings.ContainsRune(" \"(),/:;<=>?@[\\]{}", r)
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

// attributes checks a list of resource attributes.
func attributes(s string) error {
	all, err := pairs(s)
	for i, p := range all {
		if !utf8.ValidString(p.key) || !utf8.ValidString(p.value) {
			return fmt.Errorf("attribute %d is not UTF-8", i+1)
		}
	}
	return err
}

func ratio(s string) error {
	if f, err := strconv.ParseFloat(s, 64); err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%q is not a ratio", s)
	}
	return nil
}

// count checks a whole number. The specification's integers and durations end at 2^31-1.
func count(least, most int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		switch {
		case err != nil && !errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%q is not a whole number", s)
		case err != nil || n > most:
			return fmt.Errorf("%q is larger than %d", s, most)
		case n < least:
			return fmt.Errorf("%q is smaller than %d", s, least)
		}
		return nil
	}
}

// endpointURL checks the URL of a collector. The error does not quote it: a password may
// be in it.
func endpointURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "unix":
		return errors.New("the scheme is missing or unknown")
	case u.User != nil:
		return errors.New("a user in the URL is not sent: set OTEL_EXPORTER_OTLP_HEADERS to authorization=Basic%20 and its base64")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("a query or fragment of the URL is not sent: set OTEL_EXPORTER_OTLP_HEADERS")
	case u.Scheme == "unix" && u.Host+u.Path+u.Opaque == "":
		return errors.New("the path of the socket is missing")
	case u.Scheme == "unix":
		return nil
	case u.Hostname() == "":
		return errors.New("the host is missing")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("the port is not between 1 and 65535")
		}
	}
	return nil
}

func readable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}

package hop

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/baggage"
)

// Baggage members of ours. They are read and written on the raw header,
// because OpenTelemetry's parser costs about a dozen allocations a member.
const (
	memberCorrelation = "correlation.id"
	memberEntry       = "hop.entry"
	memberStart       = "hop.start"
	memberFlow        = "hop.flow"
)

// Limits of W3C Baggage (section 3.3.2): what a hop accepts from outside.
const (
	maxBaggageBytes   = 8192
	maxBaggageMembers = 64
)

// carried is what baggage says about a request.
type carried struct {
	correlation string
	entry       string
	start       time.Time
	async       bool
	foreign     string // the other members, as they came
}

// readBaggage splits a baggage header into our members and the others.
// What is malformed or beyond the limits is left out; it never fails. Ours count
// wherever they stand: a foreign hop may have put its own before them.
func readBaggage(header string) carried {
	var c carried
	if header == "" || len(header) > maxBaggageBytes {
		return c
	}
	var foreign []string
	for header != "" {
		var member string
		member, header, _ = strings.Cut(header, ",")
		member = strings.Trim(member, " \t")
		key, value, ok := strings.Cut(member, "=")
		if !ok {
			continue
		}
		key = strings.TrimRight(key, " \t")
		switch key {
		case memberCorrelation, memberEntry, memberStart, memberFlow:
			value, _, _ = strings.Cut(value, ";") // our members have no properties
			c.set(key, strings.Trim(value, " \t"))
		default:
			if len(foreign) < maxBaggageMembers {
				foreign = append(foreign, member)
			}
		}
	}
	c.foreign = strings.Join(foreign, ",")
	return c
}

func (c *carried) set(key, value string) {
	if key != memberStart && strings.IndexByte(value, '%') >= 0 {
		plain, err := url.PathUnescape(value)
		if err != nil {
			return
		}
		value = plain
	}
	switch key {
	case memberCorrelation:
		if ValidCorrelationID(value) {
			c.correlation = value
		}
	case memberEntry:
		if validEntry(value) {
			c.entry = value
		}
	case memberStart:
		if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms > 0 {
			c.start = time.UnixMilli(ms)
		}
	case memberFlow:
		c.async = value == "async"
	}
}

// validEntry tells whether a caller's entry may become a label value.
func validEntry(s string) bool {
	if s == "" || len(s) > maxCorrelation {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// header writes our members and then the foreign ones: a reader that keeps only
// the first 64, as W3C Baggage allows it to, keeps ours. Foreign members that do
// not fit its limits are left out, whole.
func (c carried) header(entry string) string {
	b := make([]byte, 0, 192+len(c.foreign))
	members := 0
	add := func(key, value string) {
		if members++; members > 1 {
			b = append(b, ',')
		}
		b = append(b, key...)
		b = append(b, '=')
		b = appendEscaped(b, value)
	}
	if c.correlation != "" {
		add(memberCorrelation, c.correlation)
	}
	if entry != "" {
		add(memberEntry, entry)
		members++
		b = append(b, ","+memberStart+"="...)
		b = strconv.AppendInt(b, c.start.UnixMilli(), 10)
	}
	if c.async {
		add(memberFlow, "async")
	}
	for rest := c.foreign; rest != "" && members < maxBaggageMembers; members++ {
		var member string
		member, rest, _ = strings.Cut(rest, ",")
		if len(b)+1+len(member) > maxBaggageBytes {
			break
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, member...)
	}
	return string(b)
}

// appendEscaped percent-encodes what a baggage value may not hold
// (W3C Baggage, baggage-octet), and the percent sign itself.
func appendEscaped(b []byte, s string) []byte {
	const hexDigits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '"' || c == ',' || c == ';' || c == '\\' || c == '%' {
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// withForeign puts the members of others where OpenTelemetry's API finds them.
func withForeign(ctx context.Context, foreign string) context.Context {
	if foreign == "" {
		return ctx
	}
	bag, err := baggage.Parse(foreign)
	if err != nil {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

package wire

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Baggage members of this library. They are read from and written to the raw
// header, because OpenTelemetry's parser makes about a dozen allocations per
// member.
const (
	memberCorrelation = "correlation.id"
	memberEntry       = "hop.entry"
	memberStart       = "hop.start"
	memberFlow        = "hop.flow"
)

// Limits on accepted baggage (W3C Baggage, section 3.3.2).
const (
	MaxBaggageBytes   = 8192
	MaxBaggageMembers = 64
)

// Metadata holds the request metadata propagated in baggage.
type Metadata struct {
	Correlation string
	Entry       string
	EntryStart  time.Time
	Async       bool   // the request passed a queue
	Foreign     string // the members of other libraries, unparsed
}

// ReadBaggage splits a baggage header into the members of this library and the
// others. It drops malformed members and those beyond the limits. The members of
// this library are found at any position within them, since another hop may prepend its
// own.
func ReadBaggage(header string) Metadata {
	var c Metadata
	if header == "" {
		return c
	}
	if len(header) > MaxBaggageBytes {
		header = header[:strings.LastIndexByte(header[:MaxBaggageBytes+1], ',')+1]
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
			value, _, _ = strings.Cut(value, ";") // these members have no properties
			c.set(key, strings.Trim(value, " \t"))
		default:
			if len(foreign) < MaxBaggageMembers {
				foreign = append(foreign, member)
			}
		}
	}
	c.Foreign = strings.Join(foreign, ",")
	return c
}

func (c *Metadata) set(key, value string) {
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
			c.Correlation = value
		}
	case memberEntry:
		if validEntry(value) {
			c.Entry = value
		}
	case memberStart:
		if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms > 0 {
			c.EntryStart = time.UnixMilli(ms)
		}
	case memberFlow:
		c.Async = value == "async"
	}
}

// HasMember reports whether a baggage header has a member with the key.
func HasMember(header, key string) bool {
	for member := range strings.SplitSeq(header, ",") {
		have, _, _ := strings.Cut(member, "=")
		if strings.Trim(have, " \t") == key {
			return true
		}
	}
	return false
}

// EntryOf returns the entry, its start and the flow from baggage members that get
// returns unescaped. The entry is "" unless both members are valid.
func EntryOf(get func(key string) string) (entry string, start time.Time, async bool) {
	var c Metadata
	if v := get(memberEntry); validEntry(v) {
		c.Entry = v
	}
	c.set(memberStart, get(memberStart))
	c.set(memberFlow, get(memberFlow))
	if c.Entry == "" || c.EntryStart.IsZero() {
		return "", time.Time{}, c.Async
	}
	return c.Entry, c.EntryStart, c.Async
}

// validEntry reports whether a caller's entry may become a label value.
func validEntry(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Header formats c as a baggage header with the given entry. The members of this
// library come first, so that a reader that keeps only the first 64 members, as W3C
// Baggage permits, keeps them. Members of other libraries beyond the limits are
// dropped.
func (c Metadata) Header(entry string) string {
	b := make([]byte, 0, 192+len(c.Foreign))
	members := 0
	add := func(key, value string) {
		if members++; members > 1 {
			b = append(b, ',')
		}
		b = append(b, key...)
		b = append(b, '=')
		b = appendEscaped(b, value)
	}
	if c.Correlation != "" {
		add(memberCorrelation, c.Correlation)
	}
	if entry != "" {
		add(memberEntry, entry)
		members++
		b = append(b, ","+memberStart+"="...)
		b = strconv.AppendInt(b, c.EntryStart.UnixMilli(), 10)
	}
	if c.Async {
		add(memberFlow, "async")
	}
	for rest := c.Foreign; rest != "" && members < MaxBaggageMembers; members++ {
		var member string
		member, rest, _ = strings.Cut(rest, ",")
		if len(b)+1+len(member) > MaxBaggageBytes {
			break
		}
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(b, member...)
	}
	return string(b)
}

// appendEscaped percent-encodes the bytes that are not a baggage-octet of W3C
// Baggage, and the percent sign.
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

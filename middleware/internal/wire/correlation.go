package wire

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Header names of the correlation ID, in the lower-case form that gRPC metadata
// and Kafka headers use.
const (
	HeaderCorrelation = "x-correlation-id"
	HeaderRequestID   = "x-request-id"
	HeaderForwarded   = "x-forwarded-for"
)

// MaxName is the maximum length in bytes of a correlation ID and of an entry.
const MaxName = 128

// ValidCorrelationID reports whether id consists of 1 to 128 visible ASCII
// characters.
func ValidCorrelationID(id string) bool {
	if id == "" || len(id) > MaxName {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// NewCorrelationID returns a UUIDv7 (RFC 9562, section 5.7). IDs sort by time.
func NewCorrelationID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails since Go 1.24
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

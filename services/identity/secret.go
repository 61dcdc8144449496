package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// hash returns what the store keeps of an API key or a session token. Both are random
// texts of at least 128 bits, which no dictionary holds, so SHA-256 without a salt is
// enough. The demo keys of the seeded users are public anyway.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// matches compares two hashes in constant time. The store's index compares them too, but
// an attacker cannot choose the bytes of a hash.
func matches(stored, want string) bool {
	return subtle.ConstantTimeCompare([]byte(stored), []byte(want)) == 1
}

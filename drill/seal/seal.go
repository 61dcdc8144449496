// Package seal commits to a value before it is shown. The hash is published first, the
// value and the nonce afterwards, so that anybody can check that the value was not changed
// in between.
package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Seal is a commitment to a JSON value.
type Seal struct {
	SHA256 string `json:"sha256"`          // of nonce, newline and value; 64 hexadecimal digits
	Nonce  string `json:"nonce,omitempty"` // 32 hexadecimal digits; "" before the value is shown
}

// Of returns a Seal of the JSON encoding of v, with a random nonce.
func Of(v any) (Seal, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return Seal{}, fmt.Errorf("seal: %w", err)
	}
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails
	s := Seal{Nonce: hex.EncodeToString(nonce)}
	s.SHA256 = sum(s.Nonce, value)
	return s, nil
}

// ErrBroken reports that a value is not the one that was sealed.
var ErrBroken = errors.New("the fault is not the one that was sealed")

// Verify checks the seal of a value that is given as JSON, with or without white space. The
// error is ErrBroken if the value or the nonce was changed.
func (s Seal) Verify(value []byte) error {
	var compact bytes.Buffer
	if err := json.Compact(&compact, value); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if s.Nonce == "" || sum(s.Nonce, compact.Bytes()) != s.SHA256 {
		return ErrBroken
	}
	return nil
}

func sum(nonce string, value []byte) string {
	h := sha256.Sum256(append([]byte(nonce+"\n"), value...))
	return hex.EncodeToString(h[:])
}

package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

func TestSeal(t *testing.T) {
	fault := map[string]any{"kind": "latency", "hop": "a<b", "percent": 20.5}
	s, err := Of(fault)
	if err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(fault)
	if err != nil {
		t.Fatal(err)
	}
	// As `printf '%s\n%s' NONCE FAULT | sha256sum` does it.
	if h := sha256.Sum256([]byte(s.Nonce + "\n" + string(value))); hex.EncodeToString(h[:]) != s.SHA256 {
		t.Error("the hash is not that of nonce, newline and value")
	}
	if err := s.Verify(value); err != nil {
		t.Error(err)
	}
	if err := s.Verify([]byte("{\n \"hop\": \"a\\u003cb\", \"kind\": \"latency\",\n \"percent\": 20.5 }")); err != nil {
		t.Errorf("with white space: %v", err)
	}
	other := s
	other.Nonce = "00" + s.Nonce[2:]
	if s.Nonce[:2] == "00" {
		other.Nonce = "01" + s.Nonce[2:]
	}
	for why, broken := range map[string]error{
		"another fault":   s.Verify([]byte(`{"hop":"a\u003cb","kind":"latency","percent":20}`)),
		"another nonce":   other.Verify(value),
		"no nonce":        Seal{SHA256: s.SHA256}.Verify(value),
		"not from a JSON": s.Verify([]byte(`{`)),
	} {
		if broken == nil || why != "not from a JSON" && !errors.Is(broken, ErrBroken) {
			t.Errorf("%s: %v", why, broken)
		}
	}
	if again, err := Of(fault); err != nil || again == s {
		t.Errorf("two seals of one fault are equal, so a fault can be guessed: %v", err)
	}
}

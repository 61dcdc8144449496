package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A back end of the file without an address is said, unless a flag gives one.
func TestBackendWithoutURL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backends.yaml")
	if err := os.WriteFile(path, []byte("backends:\n  tempo: {bearer_token: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := (&backendFlags{config: path}).read()
	if err == nil || !strings.Contains(err.Error(), "backends.tempo has no url; add one, or give --tempo URL") {
		t.Errorf("%v", err)
	}
	for _, b := range []backendFlags{{config: path, tempo: "http://tempo"}, {config: path, jaeger: "http://jaeger"}} {
		if _, err := b.read(); err != nil {
			t.Error(err)
		}
	}
}

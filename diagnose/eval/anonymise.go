package eval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/tenhop/tenhop/diagnose/corpus"
)

// anonymise replaces the names of services and operations by hashes. This must not change
// the ranking.
func anonymise(w corpus.Window) {
	hashed := map[string]string{}
	hide := func(name *string) {
		h, ok := hashed[*name]
		if !ok {
			h = hash(*name)
			hashed[*name] = h
		}
		*name = h
	}
	for _, t := range w.Traces {
		for i := range t.Spans {
			hide(&t.Spans[i].Service)
			hide(&t.Spans[i].Operation)
		}
	}
	for _, lines := range w.Lines {
		for i := range lines {
			hide(&lines[i].Service)
		}
	}
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func hash64(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}

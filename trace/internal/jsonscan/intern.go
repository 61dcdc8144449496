package jsonscan

// Intern interns recurring strings, such as attribute keys. The zero value is ready to
// use. Its size is bounded: if it is full, or the string is long, Get returns a new
// string.
type Intern struct{ known map[string]string }

// Bounds of an Intern: about 1 MiB in all.
const (
	maxInterned  = 16_384
	longestShort = 64
)

// Get returns b as a string.
func (t *Intern) Get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if len(b) > longestShort {
		return string(b)
	}
	if s, ok := t.known[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(t.known) < maxInterned {
		if t.known == nil {
			t.known = map[string]string{}
		}
		t.known[s] = s
	}
	return s
}

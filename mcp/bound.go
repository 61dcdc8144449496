package mcp

import (
	"encoding/json"
	"errors"
)

// MaxAnswer is the maximum size of an answer in bytes: structured content and text
// together, encoded as JSON.
const MaxAnswer = 8 << 10

const (
	envelope = 256  // bytes of an answer around its two contents
	maxError = 1000 // bytes of an error
)

// answer is the result of a tool that can leave out details.
type answer[T any] interface {
	*T
	// shorten leaves out the least important detail and notes it. If last is set, texts
	// have been cut as short as they get, and facts are left out too. It returns false if
	// there is nothing to leave out.
	shorten(last bool) bool
}

// lengths holds the maximum length of a text in bytes: first for an ordinary answer, then
// for one that does not fit with facts only. IDs always fit.
var lengths = [...]int{240, 96, 40}

// fit makes an answer fit into MaxAnswer and returns its text. It cleans all texts, then
// leaves out details, then cuts texts shorter, and leaves out facts last.
func fit[T any, P answer[T]](v P) (text string, err error) {
	for i, n := range lengths {
		*v = clean(*v, n)
		for {
			encoded, err := json.Marshal(v)
			if err != nil {
				return "", err
			}
			text = fenced(*v)
			quoted, err := json.Marshal(text)
			if err != nil {
				return "", err
			}
			if len(encoded)+len(quoted)+envelope <= MaxAnswer {
				return text, nil
			}
			if !v.shorten(i == len(lengths)-1) {
				break
			}
		}
	}
	return "", errors.New("the answer does not fit; ask for less, such as one entry or one service")
}

package promserver

import (
	"strings"
	"testing"
)

// TestPatternsAreBounded refuses regular expressions that are short and compile to much, and
// none that queries ordinarily have.
func TestPatternsAreBounded(t *testing.T) {
	long := strings.Repeat("x.", 700)
	for query, ok := range map[string]bool{
		`{a=~"(` + long + `){1000}y"}`:                              false,
		`label_replace(up, "a", "$1", "b", "(` + long + `){1000}")`: false,
		strings.Repeat(`{a=~"x{900}"} or `, 80) + "up":              false,
		`{a=~"(` + long + `){2,}y"}`:                                true,
		`{a=~"5..|4..",b!~"GET|POST|.{3,60}"}`:                      true,
		`label_replace(up, "a", "$1", "b", "(.+):[0-9]{1,5}")`:      true,
		`{a=~"("}`:                   true, // the parser refuses it
		`{a=~"((x{100}){100}){10}"}`: true, // and this
	} {
		if err := checkText(query, false); (err == nil) != ok {
			t.Errorf("%.60s: %v, want it accepted: %v", query, err, ok)
		}
	}
}

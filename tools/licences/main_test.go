package main

import "testing"

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		licence  string
		tool, ok bool
	}{
		{"MIT", false, true},
		{"Apache-2.0 AND BSD-3-Clause", false, true},
		{"", false, false},
		{"", true, false},
		{"AGPL-3.0", false, false},
		{"AGPL-3.0", true, false},
		{"Apache-2.0 AND AGPL-3.0", true, false},
		{"GPL-3.0", false, false},
		{"GPL-3.0", true, true},
		{"SSPL-1.0", true, false},
	} {
		if err := judge(c.licence, c.tool); (err == nil) != c.ok {
			t.Errorf("%q, tool %v: %v", c.licence, c.tool, err)
		}
	}
}

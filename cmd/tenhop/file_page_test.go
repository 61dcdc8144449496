package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What docs/your-fleet/file.md shows is what the commands print.
func TestFilePage(t *testing.T) {
	t.Chdir("../../docs/your-fleet")
	page, err := os.ReadFile("file.md")
	if err != nil {
		t.Fatal(err)
	}
	timing := regexp.MustCompile(`(?m)^took .*$|[ \t]+$`)
	plain := func(s string) string { return strings.TrimSpace(timing.ReplaceAllString(s, "")) }
	n := 0
	for _, m := range regexp.MustCompile("(?s)```\n\\$ tenhop ([^\n]+)\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		args := strings.Fields(m[1])
		if _, err := os.Stat("export.json"); strings.Contains(m[1], "export.json") && err != nil {
			continue // its message is tested by package file
		}
		var out bytes.Buffer
		cmd := newRootCmd()
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil {
			t.Errorf("tenhop %s: %v", m[1], err)
		}
		if n++; plain(out.String()) != plain(m[2]) {
			t.Errorf("tenhop %s prints\n%s\nthe page has\n%s", m[1], out.String(), m[2])
		}
	}
	if n < 4 {
		t.Errorf("%d commands", n)
	}
}

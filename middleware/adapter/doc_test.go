package adapter_test

import (
	"os"
	"strings"
	"testing"
)

// The adapter in the package comment is the one that these tests compile and run.
func TestPackageCommentHasTheTestedAdapter(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("jobmw_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(strings.Replace(string(code), "package adapter_test", "package jobmw", 1)) {
		if line == "\n" {
			want.WriteString("//\n")
		} else {
			want.WriteString("//\t" + line)
		}
	}
	if !strings.Contains(string(doc), want.String()) {
		t.Error("the program in doc.go is not that of jobmw_test.go")
	}
}

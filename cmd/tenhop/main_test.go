package main

import (
	"context"
	"os"
	"strings"
	"testing"
)

// TestMain makes the test program tenhop itself when it is started with a command: for tests
// that end the program, and for the diagnoses of a drill.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

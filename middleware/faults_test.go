package middleware_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const faultsPage = "../docs/middleware/faults.md"

// peerFaults are the faults of today's tracing, metrics and logging middleware
// that were reproduced before this library was written; see the page.
var peerFaults = [...]string{
	"Addresses and user agents as metric labels blow up memory (opentelemetry-go-contrib#3765, #4277).",
	"The route is lost when a middleware copies the request (contrib#7192).",
	"Superfluous WriteHeader calls; a 1xx recorded as the final status (contrib#6053, #6912); after 103 and 404 the client sees 200.",
	"Hijacker, Flusher, Pusher, ReaderFrom and ResponseController are lost (contrib#5402, zerolog#417).",
	"A WebSocket lands as a 200 in the latency histogram; event streams poison it.",
	"Temporary files of multipart forms leak through request copies (contrib#9684).",
	"A panic loses metrics, status and log (contrib#5088); gRPC sends the goroutine's stack to the client.",
	"A client span never ends when the body is not closed (contrib#7492).",
	"Transport errors leave no client metric; a departed client counts as 200.",
	"Exemplars panic above 128 runes or on invalid UTF-8, and vanish without OpenMetrics (controller-runtime#3592).",
	"kotel: two new roots per record, two spans for an unsampled producer, the record's key as an attribute.",
	"Untrusted traceparent and baggage at the edge (contrib#2342).",
	"Health checks drown the signal (contrib#4575).",
	"Streams that never end (contrib#436); spans dropped in silence (opentelemetry-go#5557).",
	"A route label of the server leaks into client metrics (contrib#8920).",
}

var faultTest = regexp.MustCompile(`^TestFault(\d\d)`)

// TestEveryFaultOfThePeersHasATest lists the tests of each fault on the page, and
// fails when one has none or the page is not up to date; -update writes it.
func TestEveryFaultOfThePeersHasATest(t *testing.T) {
	var tests [len(peerFaults)][]string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if m := faultTest.FindStringSubmatch(fn.Name.Name); m != nil {
				n, _ := strconv.Atoi(m[1]) // two digits
				if n < 1 || n > len(peerFaults) {
					t.Errorf("%s: there is no fault %d", fn.Name.Name, n)
					continue
				}
				tests[n-1] = append(tests[n-1], fmt.Sprintf("`%s` (%s)", fn.Name.Name, filepath.ToSlash(filepath.Dir(path))))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Faults of the peers, and our tests of them\n\nWritten by `go test -run TestEveryFault . -update` in `middleware/`; do not edit.\n\n| | fault | tests |\n|--:|---|---|\n")
	for i, fault := range peerFaults {
		if len(tests[i]) == 0 {
			t.Errorf("fault %d has no test: %s", i+1, fault)
		}
		fmt.Fprintf(&b, "| %d | %s | %s |\n", i+1, fault, strings.Join(tests[i], ", "))
	}
	if *update {
		if err := os.WriteFile(faultsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(faultsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is not up to date; run go test -run TestEveryFault . -update", faultsPage)
	}
}

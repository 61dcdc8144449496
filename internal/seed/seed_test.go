package seed

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/internal/docpage"
)

//go:generate go test -count=1 -run TestPage . -update

const root = "../.."

var update = flag.Bool("update", false, "write docs/seed.md again")

func content(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRowsAreProved(t *testing.T) {
	ci := commands(content(t, ".ci/run"))
	makefile := content(t, "Makefile")
	for _, r := range Rows() {
		if (r.Missing == "") == (len(r.Tests) == 0) || (r.Missing == "") == (r.Here == "") {
			t.Errorf("%q: a row has either Here and Tests, or Missing", r.Sentence)
		}
		for _, test := range r.Tests {
			text, skips := function(t, test)
			where := test.Package + "." + test.Name
			if text == "" {
				t.Errorf("%s: there is no such test", where)
				continue
			}
			if !strings.Contains(ci, test.step()) {
				t.Errorf("%s: .ci/run does not run %q", where, test.step())
			}
			if goal, ok := strings.CutPrefix(test.step(), "make "); ok && !regexp.MustCompile(`(?m)^`+goal+`:`).MatchString(makefile) {
				t.Errorf("%s: the Makefile has no %s", where, goal)
			}
			if test.step() == everything && (skips || test.Env != "") {
				t.Errorf("%s is skipped without a variable: name the step that sets it", where)
			}
			if test.step() == everything && !inWorkspace(t, test.Package) {
				t.Errorf("%s is in a module that go.work does not use: name the step that runs it", where)
			}
		}
	}
}

// commands returns a script without its comments.
func commands(script string) string {
	return regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(script, "")
}

// function returns the source of a test, and whether it reads the environment to skip
// itself. It is empty if there is none, or if the test has no such part.
func function(t *testing.T, of Test) (text string, skips bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, of.Package, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	name, part, _ := strings.Cut(of.Name, "/")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Name.Name != name {
				continue
			}
			text = string(src[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset])
			if part != "" && !strings.Contains(strings.ReplaceAll(text, " ", "_"), `"`+part) {
				return "", false
			}
			return text, strings.Contains(text, "Getenv") && strings.Contains(text, ".Skip")
		}
	}
	return "", false
}

// inWorkspace reports whether the innermost go.mod above a package belongs to go.work.
func inWorkspace(t *testing.T, pkg string) bool {
	t.Helper()
	work := strings.Fields(content(t, "go.work"))
	for dir := pkg; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return slices.Contains(work, dir) || slices.Contains(work, "./"+dir)
		}
		if dir == "." {
			return false
		}
	}
}

func TestPage(t *testing.T) {
	docpage.Compare(t, filepath.Join(root, "docs/seed.md"), "rows", page(t), *update, "go generate ./internal/seed")
}

func page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprint(&b, "| sentence | here | proved by | run by |\n|---|---|---|---|\n")
	for _, r := range Rows() {
		if r.Missing != "" {
			fmt.Fprintf(&b, "| %s | **not here**: %s | – | – |\n", r.Sentence, r.Missing)
			continue
		}
		var tests, steps []string
		for _, test := range r.Tests {
			tests = append(tests, "`"+test.Package+"` `"+test.Name+"`")
			if step := "`" + test.step() + "`"; !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Sentence, r.Here, strings.Join(tests, "<br>"), strings.Join(steps, "<br>"))
	}
	fmt.Fprint(&b, "\n## What they print\n")
	for _, r := range Rows() {
		for _, test := range r.Tests {
			text, err := os.ReadFile(filepath.Join("printed", test.file()))
			if err != nil {
				continue // not recorded
			}
			fmt.Fprintf(&b, "\n`%s` `%s`:\n\n```\n%s\n```\n", test.Package, test.Name, strings.TrimRight(string(text), "\n"))
		}
	}
	return b.String()
}

// file returns the name of the file with the last lines that a test printed.
func (t Test) file() string {
	return strings.ReplaceAll(t.Package+"-"+t.Name, "/", "-") + ".txt"
}

// TestRecorded checks that each file of printed lines belongs to a test.
func TestRecorded(t *testing.T) {
	known := map[string]bool{}
	for _, r := range Rows() {
		for _, test := range r.Tests {
			known[test.file()] = true
		}
	}
	files, err := fs.Glob(os.DirFS("printed"), "*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f] {
			t.Errorf("printed/%s belongs to no row", f)
		}
	}
}

// recorded is the number of last lines that are kept.
const recorded = 12

// TestRecord runs the tests whose names match TENHOP_RECORD, and keeps the last lines that
// they print. A test that fails or is skipped is not recorded.
func TestRecord(t *testing.T) {
	wanted := os.Getenv("TENHOP_RECORD")
	if wanted == "" {
		t.Skip("set TENHOP_RECORD to a regular expression of names of tests, or use make seed")
	}
	pattern, err := regexp.Compile(wanted)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rows() {
		for _, test := range r.Tests {
			if !pattern.MatchString(test.Package + "." + test.Name) {
				continue
			}
			t.Run(test.file(), func(t *testing.T) { record(t, test) })
		}
	}
}

func record(t *testing.T, test Test) {
	var run []string
	for _, part := range strings.Split(test.Name, "/") {
		run = append(run, "^"+part)
	}
	args := []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", strings.Join(run, "/")}
	dir := filepath.Join(root, test.Package)
	if test.Real && os.Getenv("TENHOP_TEST_POSTGRES") == "" { // not within deploy/real/run
		args, dir = append([]string{"deploy/real/run"}, append(args, "./"+test.Package)...), root
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	if test.Env != "" {
		cmd.Env = append(cmd.Env, test.Env)
	}
	if !inWorkspace(t, test.Package) {
		cmd.Env = append(cmd.Env, "GOWORK=off")
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+test.Name)) {
		t.Fatalf("%v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, " \n")
		switch {
		case line == "", line == "PASS", strings.HasPrefix(line, "=== "), strings.HasPrefix(line, "{"):
		default:
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines[max(0, len(lines)-recorded):], "\n") + "\n"
	if err := os.WriteFile(filepath.Join("printed", test.file()), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

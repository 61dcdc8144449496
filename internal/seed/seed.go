// Package seed lists what the document that this project grew from asks for, and the tests
// that prove it. docs/seed.md is generated from it.
package seed

// Row is a sentence of that document. It has Tests, or it says what is Missing.
type Row struct {
	Sentence string // in our words
	Here     string // what makes it true
	Tests    []Test
	Missing  string // what is not here
}

// Test proves a row.
type Test struct {
	Package string // folder of the package, from the root of the repository
	Name    string // function, with the parts that matter: TestX or TestX/part
	Env     string // NAME=VALUE without which the test is skipped; may be empty
	Real    bool   // it needs what deploy/real/run starts
	Step    string // text of .ci/run that runs it; everything if empty: go test work
}

// everything is the step that runs the tests that need nothing.
const everything = "go test work"

// Step returns the text of .ci/run that runs the test.
func (t Test) step() string {
	if t.Step == "" {
		return everything
	}
	return t.Step
}

// Variables without which tests are skipped.
const (
	acceptance = "TENHOP_ACCEPTANCE=short"
	parts      = "TENHOP_PARTS=short"
)

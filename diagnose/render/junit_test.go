package render_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// hostile is a name that is markup in XML and Markdown, and mentions somebody.
const hostile = "<b>]]>\x1b[2J|@everyone &commat;all http://evil.example www.evil.example #1 \\| `x`\n# head"

func versions() (result.Result, []gate.Check) {
	r := result.Result{Verdict: result.Unsure, Why: "few", Growth: &result.Growth{Rounds: 8, Parts: []result.GrowthPart{
		{Hop: "store", Operation: hostile, Kind: result.KindSelf, BaselineMS: 10, NowMS: 30, AddedMS: 20, NoiseMS: 1, Grew: true},
		{Hop: "edge", Operation: "GET /page", Kind: result.KindSelf, BaselineMS: 3, NowMS: 3, NoiseMS: .5},
	}}}
	return r, gate.Checks(r, []string{gate.Spike, gate.Growth}, render.Verdict(r))
}

func TestJUnit(t *testing.T) {
	r, checks := versions()
	var b strings.Builder
	if err := render.JUnit(&b, r, checks, render.Links{}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Skipped  int `xml:"skipped,attr"`
			Cases    []struct {
				Class   string `xml:"classname,attr"`
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if len(got.Suites) != 1 || got.Suites[0].Tests != 3 || got.Suites[0].Failures != 1 || got.Suites[0].Skipped != 1 {
		t.Fatalf("%+v\n%s", got, b.String())
	}
	for _, c := range got.Suites[0].Cases {
		if (c.Failure != nil) != strings.HasPrefix(c.Name, "store") || (c.Skipped != nil) != (c.Class == "tenhop.spike") {
			t.Errorf("%+v", c)
		}
	}
	if strings.ContainsRune(b.String(), 0x1b) {
		t.Error("a control character is in the report")
	}
}

func TestSummary(t *testing.T) {
	r, checks := versions()
	var b strings.Builder
	if err := render.Summary(&b, r, checks, render.Links{}); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if !strings.HasPrefix(out, "### Failed\n") || !strings.Contains(out, "**grew**") {
		t.Error(out)
	}
	for _, bad := range []string{"<b>", "@everyone", "\n# head", "\x1b", " #1", "&commat;", "http://", "www.evil"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q is in the summary:\n%s", bad, out)
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "| store") {
			if n := strings.Count(strings.ReplaceAll(strings.ReplaceAll(line, `\\`, ""), `\|`, ""), "|"); n != 9 {
				t.Errorf("%d borders of cells in %s", n, line)
			}
		}
	}
}

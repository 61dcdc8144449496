package render

import (
	"encoding/xml"
	"fmt"
	"io"

	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/result"
)

// JUnit's report, as CI systems read it.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes checks as a report in JUnit's format: one test case each. A check that the
// evidence does not decide is skipped, with the reason. Cases that failed, and the first
// one, hold the result as text. An error is that of w.
func JUnit(w io.Writer, r result.Result, checks []gate.Check, l Links) error {
	suite := junitSuite{Name: "tenhop diagnose", Time: fmt.Sprintf("%.3f", r.TookMS/1000)}
	text, err := textOf(r, l)
	if err != nil {
		return err
	}
	for i, c := range plain(checks) {
		one := junitCase{Class: "tenhop." + c.Condition, Name: c.Condition}
		if c.Name != "" {
			one.Name = c.Name
		}
		if i == 0 {
			one.Out = text
		}
		switch c.Outcome {
		case gate.Failed:
			suite.Failures++
			one.Failure = &junitMessage{Message: c.Text, Type: c.Condition, Text: text}
		case gate.Undecided:
			suite.Skipped++
			one.Skipped = &junitMessage{Message: c.Text}
		}
		suite.Cases = append(suite.Cases, one)
	}
	suite.Tests = len(suite.Cases)
	b, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}

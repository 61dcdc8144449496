package logql

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// Stage is a stage of a pipeline. It may change the entry, and returns false to
// drop it.
type Stage func(*Entry) bool

// Entry is a line and its labels in a pipeline.
type Entry struct {
	Line   string
	Labels map[string]string
}

func (p *parser) stages() ([]Stage, error) {
	var out []Stage
	for {
		t := p.peek()
		if t.kind != symbol {
			return out, nil
		}
		var st Stage
		var err error
		switch t.text {
		case "|=", "!=", "|~", "!~":
			st, err = p.lineFilter()
		case "|":
			if n := p.tokens[p.pos+1]; n.kind == word && n.text == "unwrap" {
				return out, nil // belongs to the metric query
			}
			p.next()
			st, err = p.pipe()
		default:
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
}

func (p *parser) lineFilter() (Stage, error) {
	op := p.next()
	var tests []func(string) bool
	for {
		t := p.next()
		if t.kind != text {
			return nil, p.unexpected(t, "a string")
		}
		test := func(line string) bool { return strings.Contains(line, t.text) }
		if op.text == "|~" || op.text == "!~" {
			re, err := regexp.Compile(t.text)
			if err != nil {
				return nil, fmt.Errorf("line filter: %w", err)
			}
			test = re.MatchString
		}
		tests = append(tests, test)
		if !p.accept(word, "or") {
			break
		}
	}
	if last := p.tokens[p.pos-1].text; op.text == "|=" && len(tests) == 1 && !p.rewrote && isTraceID.MatchString(last) {
		p.traceID = last
	}
	negative := strings.HasPrefix(op.text, "!")
	return func(e *Entry) bool {
		found := slices.ContainsFunc(tests, func(test func(string) bool) bool { return test(e.Line) })
		return found != negative
	}, nil
}

// pipe parses the stage after a single bar.
func (p *parser) pipe() (Stage, error) {
	t := p.peek()
	if t.kind == word {
		switch t.text {
		case "json":
			p.next()
			return parseJSON, nil
		case "logfmt":
			p.next()
			return parseLogfmt, nil
		case "line_format":
			p.next()
			return p.lineFormat()
		case "keep", "drop":
			p.next()
			return p.labelsOf(t.text == "keep")
		case "label_format", "regexp", "pattern", "unpack", "decolorize", "distinct":
			return nil, fmt.Errorf("parse error at %d: | %s is not supported here", t.at, t.text)
		}
	}
	first := p.pos
	f, err := p.labelFilter()
	if err != nil {
		return nil, err
	}
	// Only trace_id="…" alone: joined with another condition by or, it does not
	// apply to every line.
	if t := p.tokens[first:p.pos]; len(t) == 3 && t[0].text == "trace_id" && t[1].text == "=" && isTraceID.MatchString(t[2].text) {
		p.traceID = t[2].text
	}
	return func(e *Entry) bool { return f(e.Labels) }, nil
}

var isTraceID = regexp.MustCompile("^[0-9a-f]{32}$")

func (p *parser) lineFormat() (Stage, error) {
	p.rewrote = true
	t := p.next()
	if t.kind != text {
		return nil, p.unexpected(t, "a template")
	}
	if len(t.text) > maxTemplateBytes {
		return nil, fmt.Errorf("line_format: the template is longer than %d bytes", maxTemplateBytes)
	}
	tmpl, err := template.New("line_format").Funcs(functions).Option("missingkey=zero").Parse(t.text)
	if err != nil {
		return nil, fmt.Errorf("line_format: %w", err)
	}
	if name := loopIn(tmpl.Root); name != "" {
		return nil, fmt.Errorf("line_format: %s is not supported here", name)
	}
	return func(e *Entry) bool {
		b := limitedBuilder{left: maxFormattedBytes}
		if err := tmpl.Execute(&b, e.Labels); err != nil {
			e.Labels["__error__"] = "TemplateFormatErr"
			return true
		}
		e.Line = b.text.String()
		return true
	}, nil
}

func (p *parser) labelsOf(keep bool) (Stage, error) {
	var names []string
	for {
		name, err := p.word("a label name")
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if !p.accept(symbol, ",") {
			break
		}
	}
	return func(e *Entry) bool {
		for k := range e.Labels {
			if slices.Contains(names, k) != keep {
				delete(e.Labels, k)
			}
		}
		return true
	}, nil
}

type labelTest func(map[string]string) bool

// labelFilter parses conditions that are joined by and, or or a comma.
func (p *parser) labelFilter() (labelTest, error) {
	left, err := p.labelTerm()
	if err != nil {
		return nil, err
	}
	for {
		or := p.is(word, "or")
		if !or && !p.is(word, "and") && !p.is(symbol, ",") {
			return left, nil
		}
		p.next()
		right, err := p.labelTerm()
		if err != nil {
			return nil, err
		}
		l := left
		if or {
			left = func(m map[string]string) bool { return l(m) || right(m) }
		} else {
			left = func(m map[string]string) bool { return l(m) && right(m) }
		}
	}
}

func (p *parser) labelTerm() (labelTest, error) {
	if p.accept(symbol, "(") {
		f, err := p.labelFilter()
		if err != nil {
			return nil, err
		}
		return f, p.expect(symbol, ")")
	}
	name, err := p.word("a label name or a parser")
	if err != nil {
		return nil, err
	}
	op, value := p.next(), p.next()
	if op.kind != symbol {
		return nil, p.unexpected(op, "a comparison")
	}
	if value.kind == text {
		if op.text == "==" {
			op.text = "="
		}
		if !slices.Contains([]string{"=", "!=", "=~", "!~"}, op.text) {
			return nil, p.unexpected(op, "a comparison of strings")
		}
		m, err := NewMatcher(name, MatchOp(op.text), value.text)
		if err != nil {
			return nil, err
		}
		return func(labels map[string]string) bool { return m.Matches(labels[name]) }, nil
	}
	if value.kind != number {
		return nil, p.unexpected(value, "a string, a number or a duration")
	}
	want, isDuration, err := parseNumber(value.text)
	if err != nil {
		return nil, fmt.Errorf("parse error at %d: %w", value.at, err)
	}
	compare, ok := comparisons[op.text]
	if !ok {
		return nil, p.unexpected(op, "a comparison of numbers")
	}
	return func(labels map[string]string) bool {
		got, err := parseLabel(labels[name], isDuration)
		return err == nil && compare(got, want)
	}, nil
}

var comparisons = map[string]func(a, b float64) bool{
	"=":  func(a, b float64) bool { return a == b },
	"==": func(a, b float64) bool { return a == b },
	"!=": func(a, b float64) bool { return a != b },
	">":  func(a, b float64) bool { return a > b },
	">=": func(a, b float64) bool { return a >= b },
	"<":  func(a, b float64) bool { return a < b },
	"<=": func(a, b float64) bool { return a <= b },
}

// parseNumber parses a number, or a duration into seconds.
func parseNumber(s string) (v float64, isDuration bool, err error) {
	if v, err = strconv.ParseFloat(s, 64); err == nil {
		return v, false, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, false, fmt.Errorf("%q is neither a number nor a duration", s)
	}
	return d.Seconds(), true, nil
}

func parseLabel(s string, isDuration bool) (float64, error) {
	if isDuration {
		d, err := time.ParseDuration(s)
		return d.Seconds(), err
	}
	return strconv.ParseFloat(s, 64)
}

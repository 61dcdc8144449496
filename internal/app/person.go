package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// Words that a person may answer to any question.
const (
	wordHelp    = "help"
	wordHint    = "hint"
	wordGiveUp  = "give up"
	wordNothing = "nothing"
	wordUnknown = "unknown"
)

// errGaveUp reports that the person gave up.
var errGaveUp = errors.New("gave up")

// AskPerson returns a function that asks a person for the answer of a drill. It prints
// the questions and the addresses of the tools to out and reads one answer per line
// from in. It asks again after an invalid answer.
func AskPerson(in io.Reader, out io.Writer, endpoints map[string]string) func(context.Context, drill.Choices) (drill.Person, error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- strings.TrimSpace(s.Text())
		}
	}()
	return func(ctx context.Context, c drill.Choices) (drill.Person, error) {
		fmt.Fprintf(out, "look at Jaeger %s, Prometheus %s and the console %s\n",
			endpoint.Redacted(endpoints[endpoint.Jaeger]), endpoint.Redacted(endpoints[endpoint.Prometheus]), endpoints[endpoint.Console])
		a := asked{ctx: ctx, lines: lines, out: out, hints: c.Hints}
		a.help()
		err := a.answer(c)
		if errors.Is(err, errGaveUp) {
			a.person.Named, a.person.GaveUp, err = nil, true, nil
		}
		return a.person, err
	}
}

// asked is a conversation with a person.
type asked struct {
	ctx    context.Context
	lines  <-chan string
	out    io.Writer
	hints  []drill.Hint
	person drill.Person
}

// answer asks for the causes of the trouble, at most two.
func (a *asked) answer(c drill.Choices) error {
	for {
		var g drill.Guess
		var err error
		if g.Hop, err = a.ask("which hop is slower or fails?", append(c.Services(), wordNothing)); err != nil {
			return err
		}
		if g.Hop == wordNothing {
			if len(a.person.Named) > 0 {
				return nil
			}
			yes, err := a.ask("nothing is wrong at all?", []string{"yes", "no"})
			if err != nil || yes == "yes" {
				return err
			}
			continue
		}
		if g.Operation, err = a.ask("which of its operations?", append(c.Operations(g.Hop), wordUnknown)); err != nil {
			return err
		}
		if g.Kind, err = a.ask("what kind of finding?", c.Kinds); err != nil {
			return err
		}
		if g.Cause, err = a.ask("what is the cause?", c.Causes); err != nil {
			return err
		}
		a.person.Named = append(a.person.Named, g)
		if len(a.person.Named) == 2 {
			return nil
		}
		if more, err := a.ask("is there a second cause?", []string{"no", "yes"}); err != nil || more == "no" {
			return err
		}
	}
}

// ask asks until the answer is one of the choices or, where there are several, the number of
// one.
func (a *asked) ask(question string, choices []string) (string, error) {
	a.list(choices)
	for {
		fmt.Fprint(a.out, question+" ")
		line, err := a.read()
		if err != nil {
			return "", err
		}
		switch line {
		case "":
		case wordHelp:
			a.help()
			a.list(choices)
		case wordHint:
			a.hint()
		case wordGiveUp:
			return "", errGaveUp
		default:
			if slices.Contains(choices, line) {
				return line, nil
			}
			for i, c := range choices {
				if line == fmt.Sprint(i+1) {
					return c, nil
				}
			}
			fmt.Fprintf(a.out, "%q is not a choice\n", line)
			a.list(choices)
		}
	}
}

func (a *asked) list(choices []string) {
	var all []string
	for i, c := range choices {
		all = append(all, fmt.Sprintf("%d %s", i+1, c))
	}
	fmt.Fprintf(a.out, "  %s\n", strings.Join(all, "   "))
}

func (a *asked) read() (string, error) {
	select {
	case <-a.ctx.Done():
		return "", a.ctx.Err()
	case line, ok := <-a.lines:
		if !ok {
			return "", io.ErrUnexpectedEOF
		}
		return line, nil
	}
}

// hint gives the next hint and adds its price.
func (a *asked) hint() {
	if len(a.hints) == 0 {
		fmt.Fprintln(a.out, "there are no more hints")
		return
	}
	h := a.hints[0]
	a.hints = a.hints[1:]
	a.person.Hints++
	a.person.Penalty += h.Price
	fmt.Fprintf(a.out, "hint, for %s: %s\n", h.Price, h.Text)
}

func (a *asked) help() {
	next := "there are no more hints"
	if len(a.hints) > 0 {
		next = fmt.Sprintf("the next hint adds %s to your time", a.hints[0].Price.Round(time.Second))
	}
	fmt.Fprintf(a.out, "answer with a name or its number; `%s`: %s; `%s` ends the round\n", wordHint, next, wordGiveUp)
}

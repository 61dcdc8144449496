package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/stack/endpoint"
)

// kinds lists the valid answers to the last question of a drill.
var kinds = []string{"self", "dependency", "link", "queue"}

// AskPerson returns a function that asks a person for the answer of a drill. It prints
// the questions and the addresses of the tools to out and reads one answer per line
// from in. It asks again after an invalid answer.
func AskPerson(in io.Reader, out io.Writer, endpoints map[string]string) func(context.Context, []string) (drill.Guess, error) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- strings.TrimSpace(s.Text())
		}
	}()
	ask := func(ctx context.Context, question string, choices []string) (string, error) {
		for {
			fmt.Fprint(out, question)
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case line, ok := <-lines:
				switch {
				case !ok:
					return "", io.ErrUnexpectedEOF
				case line == "":
				case choices == nil || slices.Contains(choices, line):
					return line, nil
				default:
					fmt.Fprintf(out, "answer with one of: %s\n", strings.Join(choices, ", "))
				}
			}
		}
	}
	return func(ctx context.Context, hops []string) (g drill.Guess, err error) {
		fmt.Fprintf(out, "look at Jaeger %s, Prometheus %s and the console %s\nthe hops: %s\n",
			endpoint.Redacted(endpoints[endpoint.Jaeger]), endpoint.Redacted(endpoints[endpoint.Prometheus]), endpoints[endpoint.Console], strings.Join(hops, ", "))
		if g.Hop, err = ask(ctx, "which hop is slower? ", hops); err != nil {
			return g, err
		}
		if g.Operation, err = ask(ctx, "which of its operations? ", nil); err != nil {
			return g, err
		}
		g.Kind, err = ask(ctx, "what kind ("+strings.Join(kinds, ", ")+")? ", kinds)
		return g, err
	}
}

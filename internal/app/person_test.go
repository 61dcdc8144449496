package app_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/app"
)

func choices() drill.Choices {
	return drill.Choices{
		Hops:  []drill.Hop{{Service: "order", Operation: "Create"}, {Service: "payment", Operation: "Charge"}, {Service: "payment", Operation: "Refund"}},
		Kinds: []string{"self", "errors"}, Causes: []string{"cpu", "unknown"},
		Hints: []drill.Hint{{Text: "one of these: order, payment", Price: 15 * time.Second}, {Text: "the hop: payment", Price: time.Minute}},
	}
}

func TestAskPerson(t *testing.T) {
	charge := drill.Guess{Hop: "payment", Operation: "Charge", Kind: "self", Cause: "cpu"}
	for _, c := range []struct {
		why, in string
		want    drill.Person
		printed map[string]int // number of times
	}{
		{"straight on", "payment\nCharge\nself\ncpu\nno\n", drill.Person{Named: []drill.Guess{charge}},
			map[string]int{"1 order   2 payment   3 nothing": 1, "1 Charge   2 Refund   3 unknown": 1}},
		{"by number", "2\n1\n1\n1\n1\n", drill.Person{Named: []drill.Guess{charge}}, nil},
		{"what cannot be an answer is asked for again", "\nhelp\npaymint\npayment\n\nCharge\nslow\nself\n7\ncpu\nno\n", drill.Person{Named: []drill.Guess{charge}},
			map[string]int{"which hop is slower or fails? ": 4, "which of its operations? ": 2, `"paymint" is not a choice`: 1, `"slow" is not a choice`: 1,
				`"7" is not a choice`: 1, "the next hint adds 15s to your time": 2}},
		{"hints cost time", "hint\nhint\nhint\npayment\nCharge\nself\ncpu\nno\n", drill.Person{Named: []drill.Guess{charge}, Hints: 2, Penalty: 75 * time.Second},
			map[string]int{"hint, for 15s: one of these": 1, "hint, for 1m0s: the hop: payment": 1, "there are no more hints": 1}},
		{"two causes", "payment\nCharge\nself\ncpu\nyes\norder\nCreate\nerrors\nunknown\n",
			drill.Person{Named: []drill.Guess{charge, {Hop: "order", Operation: "Create", Kind: "errors", Cause: "unknown"}}}, nil},
		{"nothing is wrong", "nothing\nno\nnothing\nyes\n", drill.Person{}, map[string]int{"nothing is wrong at all?": 2}},
		{"giving up", "hint\npayment\ngive up\n", drill.Person{Hints: 1, Penalty: 15 * time.Second, GaveUp: true}, nil},
	} {
		t.Run(c.why, func(t *testing.T) {
			var out strings.Builder
			got, err := app.AskPerson(strings.NewReader(c.in), &out, nil)(t.Context(), choices())
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v\nwant %+v\n%s", got, err, c.want, out.String())
			}
			for text, times := range c.printed {
				if n := strings.Count(out.String(), text); n != times {
					t.Errorf("%q was printed %d times, want %d\n%s", text, n, times, out.String())
				}
			}
		})
	}
}

func TestAskPersonWhoLeaves(t *testing.T) {
	if _, err := app.AskPerson(strings.NewReader("payment\n"), io.Discard, nil)(t.Context(), choices()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the end of the input: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if _, err := app.AskPerson(r, io.Discard, nil)(ctx, choices()); !errors.Is(err, context.Canceled) {
		t.Errorf("when the drill ends: %v", err)
	}
}

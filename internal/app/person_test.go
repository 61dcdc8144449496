package app_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/app"
)

// What cannot be an answer is asked for again.
func TestAskPerson(t *testing.T) {
	var out strings.Builder
	in := strings.NewReader("\nhelp\npayment\n\ntenhop.v1.Payment/Charge\nslow\nself\n")
	guess, err := app.AskPerson(in, &out, nil)(t.Context(), []string{"order", "payment"})
	if want := (drill.Guess{Hop: "payment", Operation: "tenhop.v1.Payment/Charge", Kind: "self"}); guess != want || err != nil {
		t.Errorf("%+v, %v", guess, err)
	}
	for question, times := range map[string]int{"which hop is slower? ": 3, "answer with one of: order, payment\n": 1, "which of its operations? ": 2, "answer with one of: self": 1} {
		if got := strings.Count(out.String(), question); got != times {
			t.Errorf("%q was printed %d times, want %d", question, got, times)
		}
	}
}

func TestAskPersonWhoLeaves(t *testing.T) {
	if _, err := app.AskPerson(strings.NewReader("payment\n"), io.Discard, nil)(t.Context(), []string{"payment"}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the end of the input: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if _, err := app.AskPerson(r, io.Discard, nil)(ctx, []string{"payment"}); !errors.Is(err, context.Canceled) {
		t.Errorf("when the drill ends: %v", err)
	}
}

package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/services/contracts"
)

// cards are numbers of cards that the networks publish for tests.
var cards = []string{"4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "3530111333300000"}

// TestCardDataNeverLeavesPayment stores cards, pays with them, and searches the signals
// of all services, the records of all topics, the responses and every store for their
// numbers. Behind payment there are tokens only.
func TestCardDataNeverLeavesPayment(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs a storefront")
	}
	on := standIns(t)
	s := start(t, on)
	var said []string
	tokens := map[string]string{}
	for n, number := range cards {
		for _, form := range written(number) {
			a := s.must(t, n, http.MethodPost, "/cards", fmt.Sprintf(`{"number":%q}`, form))
			var c struct {
				Token string `json:"card_token"`
				Four  string `json:"last_four"`
			}
			if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.Token == "" || c.Four != number[len(number)-4:] {
				t.Fatalf("%s: %v", a.body, err)
			}
			tokens[number] = c.Token
			said = append(said, a.body)
		}
		s.must(t, n, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":1}`)
		a := s.must(t, n, http.MethodPost, "/checkout", fmt.Sprintf(`{"payment_method":"card","card_token":%q}`, tokens[number]))
		placed(t, a)
		said = append(said, a.body, s.must(t, n, http.MethodGet, "/orders", "").body)
	}
	// What customers may do wrong: a wrong digit, a number as a token, another's token, a
	// number where something else belongs.
	wrong := cards[0][:15] + "2"
	for _, r := range []struct{ path, body string }{
		{"/cards", fmt.Sprintf(`{"number":%q}`, wrong)},
		{"/cards", fmt.Sprintf(`{"number":%q}`, cards[0]+cards[1])},
		{"/cards", fmt.Sprintf(`{"number":%s}`, cards[0])},
		{"/cards", fmt.Sprintf(`{"card":%q}`, cards[0])},
		{"/cards", cards[0]},
		{"/checkout", fmt.Sprintf(`{"payment_method":"card","card_token":%q}`, tokens[cards[1]])},
		{"/checkout", fmt.Sprintf(`{"payment_method":"card","card_token":%q}`, cards[0])},
		{"/checkout", fmt.Sprintf(`{"payment_method":%q}`, cards[0])},
	} {
		s.must(t, 0, http.MethodPost, "/cart/items", `{"product_id":"p-001","quantity":1}`)
		a := s.ask(t, 0, http.MethodPost, r.path, r.body)
		if a.status/100 != 4 {
			t.Errorf("POST %s %s: %d %s", r.path, r.body, a.status, a.body)
		}
		said = append(said, a.body)
	}
	until(t, "all messages are sent", func() error {
		if n := s.count(t, "notification", "SELECT COUNT(*) FROM messages"); n < len(cards) {
			return fmt.Errorf("%d of %d", n, len(cards))
		}
		return nil
	})
	time.Sleep(500 * time.Millisecond) // spans are exported every 100 ms
	texts := s.signals(t)
	texts["responses"] = strings.Join(said, "\n")
	texts["records"] = s.records(t)
	for name, file := range storeFiles(t, on) {
		texts["store "+name] = file
	}
	for _, number := range append(cards, wrong) {
		for _, form := range written(number) {
			for where, text := range texts {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("the number %s is in the %s: …%q…", form, where, text[max(0, at-100):min(len(text), at+len(form)+60)])
				}
			}
		}
	}
	for _, number := range cards {
		token := tokens[number]
		if n := s.count(t, "payment", "SELECT COUNT(*) FROM charges WHERE card_token = ?", token); n != 1 {
			t.Errorf("%d charges of a card, want 1", n)
		}
		if !strings.Contains(texts["records"], token) {
			t.Error("the event of an order lacks the token")
		}
		for _, where := range []string{"spans", "logs"} {
			if strings.Contains(texts[where], token) {
				t.Errorf("a token, which pays, is in the %s", where)
			}
		}
	}
}

// written returns the ways in which people write the number of a card.
func written(number string) []string {
	group := func(by string) string {
		var b strings.Builder
		for i, c := range number {
			if i > 0 && i%4 == 0 {
				b.WriteString(by)
			}
			b.WriteRune(c)
		}
		return b.String()
	}
	return []string{number, group(" "), group("-")}
}

// records returns the values and headers of all records of the topics.
func (s *storefront) records(t *testing.T) string {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.systems.kafka...), kgo.ConsumeTopics(contracts.TopicOrdersPlaced, contracts.TopicShipmentsCreated),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var b strings.Builder
	seen := map[string]int{}
	until(t, "the records of all orders are read", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cl.PollRecords(ctx, 1000).EachRecord(func(r *kgo.Record) {
			seen[r.Topic]++
			fmt.Fprintf(&b, "%s %s %s", r.Topic, r.Key, r.Value)
			for _, h := range r.Headers {
				fmt.Fprintf(&b, " %s=%s", h.Key, h.Value)
			}
			b.WriteByte('\n')
		})
		if seen[contracts.TopicOrdersPlaced] < len(cards) || seen[contracts.TopicShipmentsCreated] < len(cards) {
			return fmt.Errorf("%v", seen)
		}
		return nil
	})
	return b.String()
}

// storeFiles returns the bytes of all files of the embedded stores, with their logs.
func storeFiles(t *testing.T, on systems) map[string]string {
	t.Helper()
	out := map[string]string{}
	dir := filepath.Dir(strings.TrimPrefix(on.store["payment"], "sqlite://"))
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[filepath.Base(path)] = string(b)
		return err
	})
	if err != nil || len(out) < 8 || out["payment.db"] == "" {
		t.Fatalf("%d files, %v: the test sees no stores", len(out), err)
	}
	return out
}

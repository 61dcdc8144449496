package services_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/services/identity"
)

// vocabulary holds what all signals of a storefront say: names, and the texts under them.
type vocabulary struct {
	names, texts map[string]bool
	took         []time.Duration // of checkouts
	failed       int
}

// giveaway matches words that only fault injection uses, the names of kinds among them.
var giveaway = regexp.MustCompile(uptest.Giveaway + `|toxi[cp]|poison|storm|n_plus_one|` +
	`link_|slow_query|slow_consumer|store_lock|lost_concurrency|cache_loss|throttle|retry_storm`)

// own matches names that contain such a word and are there without a fault.
var own = regexp.MustCompile(`hop_cgroup_cpu_throttled[a-z_]*|process_paging_faults_total|system_paging_fault_type|Page faults`)

// failing lists the kinds that fail requests. What fails has names that no request has
// otherwise, such as that of its code.
var failing = []string{"error", "hang", "link_reset", "link_loss", "down", "retry_storm", "poison", "cache_loss", "pool", "store_lock"}

// inFlight holds the families that exist while a message is handled, whether or not a scrape
// of the quiet storefront comes in such a moment.
var inFlight = []string{"hop_active_requests", "hop_oldest_request_age_seconds"}

// TestNoSignalNamesAFault runs each kind of fault, and compares the vocabulary of spans,
// metrics, log lines, responses and message headers with that of a quiet storefront. Kinds
// that stop the process are left out: all services share that of the test.
func TestNoSignalNamesAFault(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: runs a storefront for a minute")
	}
	s := start(t, standIns(t))
	quiet := s.during(t, 4*time.Second, func() {})
	for _, name := range inFlight {
		quiet.names["metric "+name] = true
	}
	kinds := slices.Concat(chaos.Kinds(), services.Kinds())
	slices.SortStableFunc(kinds, func(a, b chaos.Kind) int { // counters keep the names of failures
		fails := map[bool]int{true: 1}
		return fails[slices.Contains(failing, a.Name)] - fails[slices.Contains(failing, b.Name)]
	})
	for _, k := range kinds {
		if k.Name == "exit" || k.Name == "freeze" || k.Name == "throttle" {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			service := "payment"
			if offered := services.Offering(k.Name); len(offered) > 0 {
				service = offered[0]
			}
			body, err := json.Marshal(k.Example)
			if err != nil {
				t.Fatal(err)
			}
			lift := s.inject(t, service, string(body))
			faulty := s.during(t, 1500*time.Millisecond, lift)
			t.Logf("at %s: %s; quiet: %s", service, faulty.felt(), quiet.felt())
			for text := range faulty.texts {
				if told := giveaway.FindString(own.ReplaceAllString(text, "")); told != "" {
					t.Errorf("%q tells the fault: %.300s", told, text)
				}
			}
			if slices.Contains(failing, k.Name) {
				return
			}
			var added []string
			for name := range faulty.names {
				if !quiet.names[name] {
					added = append(added, name)
				}
			}
			if slices.Sort(added); len(added) > 0 {
				t.Errorf("only with the fault: %v", added)
			}
		})
	}
}

// during sends requests of customers for a time, then lifts a fault and returns what the
// signals said.
func (s *storefront) during(t *testing.T, d time.Duration, lift func()) vocabulary {
	t.Helper()
	v := vocabulary{names: map[string]bool{}, texts: map[string]bool{}}
	s.spans.mu.Lock()
	spans := len(s.spans.spans)
	s.spans.mu.Unlock()
	s.logs.mu.Lock()
	logged := s.logs.b.Len()
	s.logs.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	var g sync.WaitGroup
	for worker := range 6 {
		g.Go(func() {
			for n := worker; ctx.Err() == nil; n += 6 {
				for _, r := range [][3]string{{"POST", "/cart/items", `{"product_id":"` + catalog.ProductID(7) + `","quantity":2}`}, {"POST", "/checkout", `{"payment_method":"card"}`},
					{"GET", "/orders", ""}, {"GET", "/products?limit=3", ""}} {
					began := time.Now()
					said := s.visit(n%200, r[0], r[1], r[2])
					mu.Lock()
					for _, text := range said {
						v.texts["response "+text] = true
					}
					if r[1] == "/checkout" {
						v.took = append(v.took, time.Since(began))
						if len(said) == 0 || strings.Contains(said[0], `"error"`) {
							v.failed++
						}
					}
					mu.Unlock()
				}
			}
		})
	}
	<-ctx.Done()
	lift()
	g.Wait()
	time.Sleep(300 * time.Millisecond) // spans are exported every 100 ms
	s.spans.mu.Lock()
	for _, sp := range s.spans.spans[spans:] {
		v.names["span "+sp.name] = true
		for key, value := range sp.attributes {
			v.names["attribute "+key] = true
			v.texts["attribute "+key+" "+value] = true
		}
	}
	s.spans.mu.Unlock()
	s.logs.mu.Lock()
	for line := range strings.Lines(s.logs.b.String()[logged:]) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil {
			for key := range fields {
				v.names["log field "+key] = true
			}
			v.names["log message "+fmt.Sprint(fields["message"])] = true
		}
		v.texts["log "+line] = true
	}
	s.logs.mu.Unlock()
	for service, url := range s.admin {
		v.metrics(t, service, url)
	}
	v.messages(t, s.systems.kafka)
	for name := range v.names {
		v.texts[name] = true
	}
	return v
}

// felt describes what customers felt.
func (v vocabulary) felt() string {
	slices.Sort(v.took)
	sum := time.Duration(0)
	for _, d := range v.took {
		sum += d
	}
	n := max(len(v.took), 1)
	return fmt.Sprintf("%d checkouts, mean %s, slowest %s, %d refused", len(v.took), (sum / time.Duration(n)).Round(time.Millisecond),
		v.took[len(v.took)-1].Round(time.Millisecond), v.failed)
}

// visit sends a request and returns headers and body of its response.
func (s *storefront) visit(user int, method, path, body string) []string {
	req, err := http.NewRequest(method, s.gateway+path, strings.NewReader(body))
	if err != nil {
		return nil
	}
	req.Header.Set("X-API-Key", identity.APIKey(user))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	out := []string{string(text)}
	for key, values := range resp.Header {
		out = append(out, key+": "+strings.Join(values, ", "))
	}
	return out
}

// volatile lists labels whose values depend on durations.
var volatile = []string{"le", "quantile"}

func (v vocabulary) metrics(t *testing.T, service, url string) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", service, err)
	}
	for name, family := range families {
		v.names["metric "+name] = true
		v.texts["help "+family.GetHelp()] = true
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				v.names["label "+l.GetName()] = true
				if !slices.Contains(volatile, l.GetName()) {
					v.names["value "+l.GetName()+"="+l.GetValue()] = true
				}
			}
		}
	}
}

// messages reads the headers of all messages.
func (v vocabulary) messages(t *testing.T, brokers []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(contracts.TopicOrdersPlaced, contracts.TopicShipmentsCreated),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			for _, h := range r.Headers {
				v.names["message header "+h.Key] = true
				v.texts["message header "+h.Key+" "+string(h.Value)] = true
			}
		})
	}
}

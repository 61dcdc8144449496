package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/internal/uptest"
	"github.com/tenhop/tenhop/services"
	watching "github.com/tenhop/tenhop/watch"
)

// Times of a run.
const (
	leastQuiet = 75 * time.Second // before the first fault: the baseline of a diagnosis, with a margin
	patience   = 60 * time.Second // from the fault to a message
	settled    = 90 * time.Second // from the end of the fault to that of the incident
	between    = 20 * time.Second // from then to the next fault
	quiet      = "10s"            // --quiet; the usual minute only makes the run longer
)

// Bounds of the seconds from fault to posted cause.
const (
	maxMedian = 12
	maxP95    = 20
	leastHops = 0.95 // share of the hops that are right
)

// cell is a fault and what was posted of it.
type cell struct {
	service string
	fault   string
	right   bool
	seconds float64 // to the first message that names the hop; 0 without one
	said    string
}

// faults returns the faults of each hop by name.
func faults() map[string]map[string]any {
	return map[string]map[string]any{
		"+200 ms":     {"kind": "latency", "latency": "200ms", "for": "2m"},
		"errors 20 %": {"kind": "error", "code": "UNAVAILABLE", "percent": 20, "for": "2m"},
	}
}

// TestCells injects faults one after the other: with TENHOP_WATCH=full each of two faults
// at each hop, otherwise as many of them as it says, which TENHOP_SEED chooses.
// TENHOP_WATCH_QUIET is the number of quiet minutes before them.
func TestCells(t *testing.T) {
	mode := os.Getenv("TENHOP_WATCH")
	if mode == "" {
		t.Skip("SKIPPED: nothing was measured; set TENHOP_WATCH=full, or 3 for three cells in five minutes")
	}
	var cells []cell
	for _, service := range services.Names() {
		for name := range faults() {
			cells = append(cells, cell{service: service, fault: name})
		}
	}
	slices.SortFunc(cells, func(a, b cell) int { return strings.Compare(a.fault+a.service, b.fault+b.service) })
	if mode != "full" {
		n, err := strconv.Atoi(mode)
		if err != nil || n < 0 || n > len(cells) {
			t.Fatalf("TENHOP_WATCH=%s: must be full or a number of cells", mode)
		}
		seed := uptest.Seed(t, uptest.Today())
		t.Logf("TENHOP_SEED=%d", seed)
		rand.New(rand.NewPCG(seed, 11)).Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		cells = cells[:n]
	}
	box := &mailbox{}
	hook := httptest.NewServer(box)
	defer hook.Close()
	s := uptest.Start(t)
	watch(t, s, hook.URL)

	calm := leastQuiet
	if minutes, err := strconv.Atoi(os.Getenv("TENHOP_WATCH_QUIET")); err == nil {
		calm = max(calm, time.Duration(minutes)*time.Minute)
	}
	ctx := t.Context()
	uptest.Sleep(ctx, calm)
	if posts := box.since(time.Time{}); len(posts) > 0 {
		t.Errorf("%d messages in %s without a fault: %s", len(posts), calm, posts[0].Headline)
	}
	t.Logf("%d messages in %s without a fault", len(box.since(time.Time{})), calm)
	for n := range cells {
		measure(ctx, t, s, box, &cells[n])
		uptest.Sleep(ctx, between)
	}
	report(t, cells)
}

// watch runs `tenhop watch` beside the storefront until the test ends.
func watch(t *testing.T, s *uptest.Storefront, hook string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(s.Program, "watch", "--dir", s.Dir, "--look", "--quiet", quiet, "--listen", "127.0.0.1:0", "--notify", hook)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := <-ended; err != nil {
			t.Errorf("tenhop watch: %v", err)
		}
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("tenhop watch used %s of processor time in %s: %.3f of a core", used, time.Since(began).Round(time.Second), used.Seconds()/time.Since(began).Seconds())
		t.Logf("tenhop watch:\n%s", said.String())
	})
}

// measure injects a fault, waits for the message that names it and for the end of the
// incident.
func measure(ctx context.Context, t *testing.T, s *uptest.Storefront, box *mailbox, c *cell) {
	t.Helper()
	began := time.Now()
	if _, err := s.Inject(ctx, c.service, faults()[c.fault]); err != nil {
		t.Fatal(err)
	}
	until(ctx, began.Add(patience), func() bool {
		for _, m := range box.since(began) {
			c.said = m.Headline
			if m.Sure && c.seconds == 0 {
				c.seconds = m.at.Sub(began).Seconds()
				f := m.Diagnosis.Findings[0]
				c.right = f.Hop == c.service || f.Target == c.service
			}
		}
		return c.seconds > 0
	})
	if err := s.Clear(ctx, c.service); err != nil {
		t.Fatal(err)
	}
	cleared := time.Now()
	over := until(ctx, cleared.Add(settled), func() bool { return !box.open() })
	var all []string
	for _, m := range box.since(began) {
		all = append(all, fmt.Sprintf("%.1f s %s %s: %s", m.at.Sub(began).Seconds(), m.State, m.ID[len(m.ID)-4:], m.Headline))
	}
	t.Logf("%s %s: right %v after %.1f s, closed %v after the end of the fault (%v)\n  %s", c.service, c.fault, c.right, c.seconds,
		time.Since(cleared).Round(time.Second), over, strings.Join(all, "\n  "))
}

// report logs the table and fails the test if a figure is beyond its bound.
func report(t *testing.T, cells []cell) {
	t.Helper()
	if len(cells) == 0 {
		return
	}
	var table strings.Builder
	table.WriteString("\n| hop | fault | hop right | fault to posted cause | posted |\n|---|---|---|--:|---|\n")
	var seconds []float64
	right := 0
	for _, c := range cells {
		after := "not posted"
		if c.seconds > 0 {
			after = fmt.Sprintf("%.1f s", c.seconds)
			seconds = append(seconds, c.seconds)
		} else {
			seconds = append(seconds, patience.Seconds())
		}
		if c.right {
			right++
		}
		fmt.Fprintf(&table, "| %s | %s | %v | %s | %s |\n", c.service, c.fault, c.right, after, c.said)
	}
	slices.Sort(seconds)
	median, p95 := seconds[(len(seconds)-1)/2], seconds[(95*len(seconds)+99)/100-1]
	fmt.Fprintf(&table, "\n%d of %d right, median %.1f s, p95 %.1f s\n", right, len(cells), median, p95)
	t.Log(table.String())
	if float64(right) < leastHops*float64(len(cells)) {
		t.Errorf("the hop is right in %d of %d", right, len(cells))
	}
	if median > maxMedian || p95 > maxP95 {
		t.Errorf("median %.1f s and p95 %.1f s, want at most %d s and %d s", median, p95, maxMedian, maxP95)
	}
}

// until asks twice a second whether something is so, until a time.
func until(ctx context.Context, deadline time.Time, so func() bool) bool {
	for !so() {
		if time.Now().After(deadline) || !uptest.Sleep(ctx, 100*time.Millisecond) {
			return false
		}
	}
	return true
}

// mailbox takes messages as a webhook.
type mailbox struct {
	mu   sync.Mutex
	got  []message
	last map[string]string // state of each incident
}

type message struct {
	watching.Message
	at time.Time
}

// ServeHTTP takes a message.
func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	var got watching.Message
	if err == nil {
		err = json.Unmarshal(body, &got)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, message{got, at})
	if m.last == nil {
		m.last = map[string]string{}
	}
	m.last[got.ID] = got.State
}

func (m *mailbox) since(from time.Time) []message {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, _ := slices.BinarySearchFunc(m.got, from, func(a message, at time.Time) int { return a.at.Compare(at) })
	return slices.Clone(m.got[n:])
}

// open reports whether an incident that was posted is open.
func (m *mailbox) open() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, state := range m.last {
		if state == watching.Open {
			return true
		}
	}
	return false
}

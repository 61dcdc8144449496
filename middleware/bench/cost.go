package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cost measures the processor share of server processes at fixed rates.
func cost(args []string) error {
	flags := flag.NewFlagSet("bench cost", flag.ExitOnError)
	rounds := flags.Int("rounds", 5, "rounds; the servers take turns in each")
	d := flags.Duration("d", 4*time.Second, "time of one server in one round")
	rateList := flags.String("rates", "1000,5000,10000", "requests per second")
	md := flags.String("md", "", "write the page to this file as well")
	_ = flags.Parse(args) // ends the program on an error
	var rates []int
	for s := range strings.SplitSeq(*rateList, ",") {
		rate, err := strconv.Atoi(s)
		if err != nil || rate <= 0 {
			return fmt.Errorf("-rates: %q is no rate", s)
		}
		rates = append(rates, rate)
	}
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer sink.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%d rounds of %v, %d processors shared with the load generator, %s %s/%s.\n", *rounds, *d, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, handler := range handlerNames {
		got, err := measureServers(handler, sink.URL, rates, *rounds, *d)
		if err != nil {
			return err
		}
		b.WriteString(costTable(handler, rates, got) + costSentence(rates, got))
	}
	fmt.Print(b.String())
	if *md == "" {
		return nil
	}
	return os.WriteFile(*md, []byte("# What the middleware costs\n\nWritten by `make cost-middleware`; do not edit.\n\n"+costIntro+b.String()+costNotes), 0o644)
}

// costs are the rounds of a server at a rate.
type costs struct {
	share []float64 // of one processor
	rate  []float64 // requests answered per second
}

func (c costs) median() (share, rate float64) { return middle(c.share), middle(c.rate) }

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measureServers returns the costs of all servers by rate.
func measureServers(handler, sink string, rates []int, rounds int, d time.Duration) (map[int][]costs, error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, name := range serverNames {
		s, err := startServer(name, handler, sink)
		if err != nil {
			return nil, err
		}
		servers = append(servers, s)
		if _, err := load(s.addr, 1000, time.Second); err != nil { // warm
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	got := map[int][]costs{}
	for range rounds {
		for _, rate := range rates {
			if got[rate] == nil {
				got[rate] = make([]costs, len(servers))
			}
			for i, s := range servers {
				share, answered, err := s.measure(rate, d)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", serverNames[i], err)
				}
				c := &got[rate][i]
				c.share, c.rate = append(c.share, share), append(c.rate, answered)
				fmt.Fprintf(os.Stderr, "%s, %s, %d/s: %.1f %% of a processor, %.0f/s\n", handler, serverNames[i], rate, share*100, answered)
			}
		}
	}
	return got, nil
}

// server is a server process.
type server struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
}

func startServer(variant, handler, sink string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "serve", variant, handler)
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+sink, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server %s does not start: %w", variant, err)
	}
	return &server{cmd, stdin, strings.TrimSpace(addr)}, nil
}

func (s *server) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Wait()
}

// measure returns the share of one processor that the process used, and the requests per
// second that it answered.
func (s *server) measure(rate int, d time.Duration) (share, answered float64, err error) {
	before, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	n, err := load(s.addr, rate, d)
	if err != nil {
		return 0, 0, err
	}
	took := time.Since(start).Seconds()
	after, err := s.cpu()
	return (after - before).Seconds() / took, float64(n) / took, err
}

func (s *server) cpu() (time.Duration, error) {
	resp, err := http.Get("http://" + s.addr + "/cpu")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	ns, err := strconv.ParseInt(string(b), 10, 64)
	return time.Duration(ns), err
}

// carried is the part of a rate that a server must answer for the row to count.
const carried = 0.97

func costTable(handler string, rates []int, got map[int][]costs) string {
	title := map[string]string{
		"wait": "A handler that waits for 200 µs, as for a database",
		"burn": "A handler that uses the processor for 200 µs",
	}[handler]
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %s\n\n| requests/s | %s | ours adds | composed adds | otelhttp alone adds |\n|--:|%s--:|--:|--:|\n",
		title, strings.Join(serverNames, " | "), strings.Repeat("--:|", len(serverNames)))
	for _, rate := range rates {
		fmt.Fprintf(&b, "| %d |", rate)
		bare, bareRate := got[rate][0].median()
		var added [4]string
		for i, c := range got[rate] {
			share, answered := c.median()
			ok := answered >= carried*float64(rate)
			added[i] = "–"
			if ok && bareRate >= carried*float64(rate) {
				added[i] = fmt.Sprintf("%.1f %% (%.0f µs)", (share-bare)*100, (share-bare)/answered*1e6)
			}
			if ok {
				fmt.Fprintf(&b, " %.1f %% |", share*100)
			} else {
				fmt.Fprintf(&b, " not carried: %.0f/s |", answered)
			}
		}
		fmt.Fprintf(&b, " %s | %s | %s |\n", added[1], added[2], added[3])
	}
	return b.String()
}

// costSentence says the row of the highest rate that all servers carried in words.
func costSentence(rates []int, got map[int][]costs) string {
	for _, rate := range slices.Backward(rates) {
		all := true
		var shares []float64
		for _, c := range got[rate] {
			share, answered := c.median()
			all = all && answered >= carried*float64(rate)
			shares = append(shares, share*100)
		}
		if all {
			return fmt.Sprintf("\nAt %d requests/s the service uses %.0f %% of a processor without middleware. Ours adds %.0f %%, the composed\nmiddleware %.0f %%, otelhttp alone, which has no metrics and no log, %.0f %%.\n",
				rate, shares[0], shares[1]-shares[0], shares[2]-shares[0], shares[3]-shares[0])
		}
	}
	return "\nThe machine carried no rate with all servers.\n"
}

const costIntro = `The processor time of a whole HTTP server process, as a share of one processor: 100 % is one processor in full use.
"Adds" is the difference to the bare server, with the time per request in brackets. Every request is sampled, has a
log line, is counted in histograms with exemplars, and its span is exported over OTLP.

`

const costNotes = `
## How it is measured

Each server is a process of its own with ` + "`net/http`" + ` on a real socket. The load comes from another process over 64
keep-alive connections at a fixed rate. The servers take turns; cells are medians of the rounds. Processor time is user
and system time of the server process by getrusage: the socket, the garbage collection and the export of spans are in
it, the load and the collector are not. "Not carried" is a rate that the machine did not reach: its processors were
busy, and a share would say nothing. "Composed" is what [bench.md](bench.md) describes. Log lines are formatted and
discarded. The heap of these servers is small, so that garbage collections are more frequent than in most services.
`

package pullrequest

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
	"github.com/tenhop/tenhop/diagnose/gate"
	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/internal/docpage"
	"github.com/tenhop/tenhop/internal/uptest"
)

var update = flag.Bool("update", false, "write the table of docs/ci.md")

// source is the service that changes.
const source = "docs/yourservice/main.go"

// change replaces texts of the source.
type change struct {
	name    string
	replace []string // old, new, …
	slower  bool
}

var work = "time.Sleep(5*time.Millisecond + time.Duration(slow.Load()))"

var slower = change{"20 ms more in stock", []string{work, work + "\n\t\ttime.Sleep(20 * time.Millisecond)"}, true}

// refactorings do the same in other words.
var refactorings = []change{
	{"a helper function", []string{work, "work(&slow)", "func shop(mux", "func work(slow *atomic.Int64) { time.Sleep(5*time.Millisecond + time.Duration(slow.Load())) }\n\nfunc shop(mux"}, false},
	{"io.WriteString for Fprintf", []string{`fmt.Fprintf(w, "%s: 7\n", r.PathValue("item"))`, `_, _ = io.WriteString(w, r.PathValue("item")+": 7\n")`}, false},
	{"a timer for a sleep", []string{work, "<-time.After(5*time.Millisecond + time.Duration(slow.Load()))"}, false},
	{"another name of a route's variable", []string{"/levels/{item}\", func(w http.ResponseWriter, r *http.Request) {\n\t\t" + work, "/levels/{name}\", func(w http.ResponseWriter, r *http.Request) {\n\t\t" + work,
		`"%s: 7\n", r.PathValue("item")`, `"%s: 7\n", r.PathValue("name")`}, false},
	{"the body read before it is copied", []string{"_, _ = io.Copy(w, resp.Body)", "body, _ := io.ReadAll(resp.Body)\n\t\t_, _ = w.Write(body)"}, false},
}

// Load of a run: each request goes to both versions, one after the other.
const (
	warmUp   = 60
	requests = 160
)

// TestPullRequest checks one slower change and refactorings. TENHOP_PULL_REQUESTS is the
// number of refactorings, 3 by default.
func TestPullRequest(t *testing.T) {
	n := 3
	if s := os.Getenv("TENHOP_PULL_REQUESTS"); s == "" && testing.Short() {
		t.Skip("builds and runs services")
	} else if s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil || n < 0 {
			t.Fatalf("TENHOP_PULL_REQUESTS=%q", s)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	base := build(t, root, change{name: "base"})
	built := map[string]string{}
	changes := []change{slower}
	for i := range n {
		changes = append(changes, refactorings[i%len(refactorings)])
	}
	var table strings.Builder
	table.WriteString("| change | check | largest difference of a part | ms before | added | noise |\n|---|---|---|--:|--:|--:|\n")
	for i, c := range changes {
		if built[c.name] == "" {
			built[c.name] = build(t, root, c)
		}
		res := compare(t, base, built[c.name])
		checks := gate.Checks(res, []string{gate.Growth}, render.Verdict(res))
		outcome := gate.Passed
		if len(gate.Found(checks)) > 0 {
			outcome = gate.Failed
		}
		if res.Growth.Why != "" {
			t.Fatalf("%s: not compared: %s", c.name, res.Growth.Why)
		}
		first := res.Growth.Parts[0]
		fmt.Fprintf(&table, "| %s | %s | %s | %.1f | %+.1f | %.1f |\n", c.name, outcome, gate.Name(first), first.BaselineMS, first.AddedMS, first.NoiseMS)
		t.Logf("%d: %s: %s", i, c.name, outcome)
		if i == 0 || (outcome == gate.Failed) != c.slower {
			var b strings.Builder
			if err := render.Text(&b, res, render.Links{}); err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + b.String())
		}
		switch {
		case (outcome == gate.Failed) != c.slower:
			t.Errorf("%s: the check %s", c.name, outcome)
		case c.slower && (first.Hop != "stock" || first.Kind != result.KindSelf || first.AddedMS < 15): // more on a busy machine
			t.Errorf("%s: the first growth is %+v", c.name, first)
		}
	}
	t.Log("\n" + table.String())
	if *update {
		docpage.Compare(t, filepath.Join(root, "docs/ci.md"), "pull-request", table.String(), true, "make pull-request")
	}
}

// build builds the services with a change and returns the program's path.
func build(t *testing.T, root string, c change) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join(root, source))
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(c.replace); i += 2 {
		if strings.Count(changed, c.replace[i]) != 1 {
			t.Fatalf("%s: %q is not once in %s", c.name, c.replace[i], source)
		}
		changed = strings.Replace(changed, c.replace[i], c.replace[i+1], 1)
	}
	replaced := filepath.Join(dir, "main.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, source): replaced}})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(replaced, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "yourservice")
	cmd := exec.Command("go", "build", "-overlay", list, "-o", program, "./"+filepath.Dir(source))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, out)
	}
	return program
}

// compare runs both versions side by side under the same load and compares them.
func compare(t *testing.T, base, change string) result.Result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "traces.pb")
	receiver := newReceiver(t, file)
	old, stopOld := start(t, base, "base", receiver.URL)
	fresh, stopNew := start(t, change, "change", receiver.URL)
	for i := range warmUp + requests {
		if i == warmUp {
			receiver.begin()
		}
		// In turns of who is first.
		for _, url := range [][]string{{old, fresh}, {fresh, old}}[i%2] {
			get(t, url)
		}
	}
	stopOld()
	stopNew()
	receiver.end(t)
	res, err := collect.Run(t.Context(), collect.Config{Traces: []string{file}, Canary: collect.Canary{Service: "shop", Version: "change"}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func get(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
}

// start starts shop and stock in a version. It returns the URL of a request and a function
// that ends them after they have sent their spans.
func start(t *testing.T, program, version, receiver string) (url string, stop func()) {
	t.Helper()
	shop, stock := uptest.Address(t), uptest.Address(t)
	var running []*exec.Cmd
	for _, args := range [][]string{{"stock", stock}, {"shop", shop, "http://" + stock}} {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+receiver, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"OTEL_RESOURCE_ATTRIBUTES=service.version="+version, "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_SERVICE_NAME="+args[0])
		cmd.Stderr = io.Discard
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, cmd)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			for _, cmd := range running {
				_ = cmd.Process.Signal(os.Interrupt)
			}
			for _, cmd := range running {
				_ = cmd.Wait()
			}
		})
	}
	t.Cleanup(stop)
	for _, a := range []string{shop, stock} {
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			c, err := net.Dial("tcp", a)
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
	}
	return "http://" + shop + "/items/tea", stop
}

// receiver writes the spans it gets to a file, as a collector's file exporter does.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	file *os.File
	err  error
	keep bool
}

func newReceiver(t *testing.T, path string) *receiver {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{file: file}
	r.Server = httptest.NewServer(http.HandlerFunc(r.receive))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body := io.Reader(req.Body)
	if req.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	b, err := io.ReadAll(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep && err == nil && strings.HasSuffix(req.URL.Path, "/traces") {
		_, err = r.file.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
	}
	if err != nil {
		r.err = err
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// begin keeps what is received from now on.
func (r *receiver) begin() {
	time.Sleep(500 * time.Millisecond) // what is older has arrived
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = true
}

func (r *receiver) end(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		t.Fatal(r.err)
	}
	if err := r.file.Close(); err != nil {
		t.Fatal(err)
	}
}

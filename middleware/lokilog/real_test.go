package lokilog_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/lokilog"
)

// free returns a port that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// TestRealReceiver pushes to the VictoriaLogs that TENHOP_VICTORIALOGS_BIN names, which takes
// Loki's push protocol, and asks for the lines by service and trace ID.
func TestRealReceiver(t *testing.T) {
	bin := os.Getenv("TENHOP_VICTORIALOGS_BIN")
	if bin == "" {
		t.Skip("SKIPPED: not tested on a receiver of others; make lokilog-check builds VictoriaLogs and names it")
	}
	base := start(t, bin)
	// Lines stay text: by default VictoriaLogs takes JSON lines apart.
	w, err := lokilog.New(base+"/insert/loki/api/v1/push?disable_message_parsing=1", "payment")
	if err != nil {
		t.Fatal(err)
	}
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	logger := zerolog.New(w)
	logger.Info().Str("trace_id", id).Msg("charged")
	logger.Error().Str("trace_id", id).Msg("declined")
	logger.Info().Str("trace_id", strings.Repeat("0", 31)+"1").Msg("of another trace")
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	query := url.Values{"query": {`{service="payment"} "` + id + `"`}}
	want := []string{
		`error {"level":"error","trace_id":"` + id + `","message":"declined"}`,
		`info {"level":"info","trace_id":"` + id + `","message":"charged"}`,
	}
	var got []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = lines(t, base+"/select/logsql/query?"+query.Encode()); len(got) >= len(want) {
			break // lines can be found some time after the receiver has taken them
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// lines returns the level and the text of the lines that a query finds, sorted.
func lines(t *testing.T, query string) []string {
	t.Helper()
	resp, err := http.Get(query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out []string
	for d := json.NewDecoder(resp.Body); ; {
		var line struct {
			Level string `json:"level"`
			Msg   string `json:"_msg"`
		}
		if err := d.Decode(&line); err == io.EOF {
			slices.Sort(out)
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, line.Level+" "+line.Msg)
	}
}

// start starts a VictoriaLogs and returns its URL.
func start(t *testing.T, bin string) string {
	t.Helper()
	address := "127.0.0.1:" + free(t)
	var said strings.Builder
	cmd := exec.CommandContext(t.Context(), bin, "-httpListenAddr="+address, "-storageDataPath="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("VictoriaLogs:\n%.4000s", said.String())
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if resp, err := http.Get("http://" + address + "/health"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return "http://" + address
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("VictoriaLogs is not ready after two minutes")
		}
	}
}

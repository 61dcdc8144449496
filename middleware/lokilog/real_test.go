package lokilog_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// TestRealLoki pushes to the Loki that TENHOP_LOKI_BIN names, with the
// repository's configuration on other ports and another folder, and asks for the
// lines as a dashboard does: by service and trace ID.
func TestRealLoki(t *testing.T) {
	bin := os.Getenv("TENHOP_LOKI_BIN")
	if bin == "" {
		t.Skip("SKIPPED: not tested on the real Loki; make loki-check builds and names it")
	}
	content, err := os.ReadFile("../../deploy/loki/loki.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), free(t)
	text := strings.NewReplacer("http_listen_port: 3100", "http_listen_address: 127.0.0.1, grpc_listen_address: 127.0.0.1, http_listen_port: "+port+", grpc_listen_port: "+free(t),
		"/loki", dir, "path_prefix:", "instance_addr: 127.0.0.1\n  path_prefix:").Replace(string(content))
	file := filepath.Join(dir, "loki.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	loki := exec.CommandContext(t.Context(), bin, "-config.file="+file)
	loki.Stdout, loki.Stderr = &said, &said
	if err := loki.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = loki.Process.Kill()
		_ = loki.Wait()
		if t.Failed() {
			t.Logf("Loki:\n%.4000s", said.String())
		}
	})
	base := "http://127.0.0.1:" + port
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if resp, err := http.Get(base + "/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("Loki is not ready after two minutes")
		}
	}

	w, err := lokilog.New(base+"/loki/api/v1/push", "payment")
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

	var answer struct {
		Data struct {
			Result []struct {
				Stream map[string]string
				Values [][2]string
			}
		}
	}
	query := url.Values{"query": {`{service="payment"} | json | trace_id = "` + id + `"`}, "since": {"10m"}}
	resp, err := http.Get(base + "/loki/api/v1/query_range?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			got[s.Stream["message"]] = s.Stream["level"] + " " + v[1]
		}
	}
	for message, level := range map[string]string{"charged": "info", "declined": "error"} {
		want := level + ` {"level":"` + level + `","trace_id":"` + id + `","message":"` + message + `"}`
		if got[message] != want {
			t.Errorf("Loki has %q, want %q", got[message], want)
		}
	}
	if len(got) != 2 {
		t.Errorf("%d lines of the trace, want 2: %v", len(got), got)
	}
	t.Logf("Loki answers %s with %d lines", query.Get("query"), len(got))
}

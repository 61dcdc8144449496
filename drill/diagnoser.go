package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// diagnoser runs `tenhop diagnose` in a process that cannot see the fault: it gets two
// URLs, the configuration file of back ends, an empty directory and an environment
// without the token of the fault endpoints.
type diagnoser struct{ cfg Config }

// args returns the command line.
func (d diagnoser) args() []string {
	args := []string{"diagnose", "--json", "--prometheus", d.cfg.Prometheus, "--entry", d.cfg.Entry.Operation}
	if d.cfg.Tempo != "" {
		args = append(args, "--tempo", d.cfg.Tempo)
	} else {
		args = append(args, "--jaeger", d.cfg.Jaeger)
	}
	if d.cfg.ConfigFile != "" {
		args = append(args, "--config", d.cfg.ConfigFile)
	}
	return args
}

const diagnoseTimeout = 30 * time.Second

// ask returns the output of one diagnosis, compacted and decoded.
func (d diagnoser) ask(ctx context.Context) (json.RawMessage, Answer, error) {
	dir, err := os.MkdirTemp("", "tenhop-diagnose-")
	if err != nil {
		return nil, Answer{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, diagnoseTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.cfg.Program, d.args()...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}, d.cfg.ConfigEnv...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, Answer{}, fmt.Errorf("tenhop diagnose: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	var a Answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return nil, Answer{}, fmt.Errorf("decode the output of tenhop diagnose --json: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, out.Bytes()); err != nil {
		return nil, Answer{}, err
	}
	return compact.Bytes(), a, nil
}

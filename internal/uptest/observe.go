package uptest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Giveaway is a regular expression of words, and parts of names, that only fault injection
// uses.
const Giveaway = `(?i)chaos|(?:^|[^e])fault|inject|sealed|drill|sabotage` // not "default"

// Seed returns the number in TENHOP_SEED, or another if it is not set.
func Seed(t *testing.T, otherwise uint64) uint64 {
	t.Helper()
	v := os.Getenv("TENHOP_SEED")
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("TENHOP_SEED=%s is not a number", v)
	}
	return n
}

// Today returns a seed that is another one each day.
func Today() uint64 { return uint64(time.Now().Unix() / 86400) }

// Sleep waits for d and reports whether ctx is still valid.
func Sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Diagnose runs `tenhop diagnose --json`, as an engineer would.
func (s *Storefront) Diagnose(ctx context.Context) (result.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Program, "diagnose", "--json", "--dir", s.Dir)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var res result.Result
	if err := cmd.Run(); err != nil {
		return res, fmt.Errorf("%w: %s", err, errs.String())
	}
	return res, json.Unmarshal(out.Bytes(), &res)
}

// Value asks Prometheus for the value of an expression, and reports whether there is one. A
// NaN is none.
func (s *Storefront) Value(ctx context.Context, expr string) (float64, bool) {
	body, err := s.Get(ctx, "prometheus", "/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		return 0, false
	}
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Data.Result) == 0 {
		return 0, false
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsNaN(v)
}

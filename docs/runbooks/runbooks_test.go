package runbooks

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/tenhop/tenhop/diagnose/result"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		kind, cause string
		want        []string
	}{
		{result.KindSelf, "", []string{"slow-hop"}},
		{result.KindSelf, result.CauseCPU, []string{"slow-hop"}},
		{result.KindSelf, result.CauseThrottled, []string{"hop-stalls", "slow-hop"}},
		{result.KindDependency, result.CausePool, []string{"slow-dependency"}},
		{result.KindErrors, result.CauseRestart, []string{"hop-restarts", "hop-errors"}},
		{result.KindCalls, result.CauseRetries, []string{"hop-errors", "slow-hop"}},
		{result.KindQueue, result.CauseQueue, []string{"kafka-lag"}},
		{result.KindMix, result.CauseMix, nil},
	} {
		f := result.Finding{Kind: c.kind}
		if c.cause != "" {
			f.Cause = &result.Cause{Kind: c.cause}
		}
		if got := Of(f); !slices.Equal(got, c.want) {
			t.Errorf("%s, %s: %q, want %q", c.kind, c.cause, got, c.want)
		}
	}
}

// TestExist: every runbook that a finding names is one of FS.
func TestExist(t *testing.T) {
	for _, of := range []map[string]string{ofCause, ofKind} {
		for what, name := range of {
			if _, err := fs.Stat(FS, name+".md"); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

package dora_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tenhop/tenhop/dora"
)

// repository makes a repository with two commits, the first of which has tags and a branch.
func repository(t *testing.T) (dir, first, second string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git")
	}
	dir = t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_COMMITTER_DATE="+start.Format(time.RFC3339), "GIT_AUTHOR_DATE=2020-01-01T00:00:00Z", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	head := func() string {
		out, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD").Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out[:len(out)-1])
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "one")
	first = head()
	git("tag", "v1.2.3")
	git("tag", "-m", "annotated", "cart/v2.0.0")
	git("branch", "release")
	git("commit", "-q", "--allow-empty", "-m", "two")
	return dir, first, head()
}

func TestCommit(t *testing.T) {
	dir, first, second := repository(t)
	repos, err := dora.OpenRepositories(t.Context(), map[string]string{"": dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ why, version, revision, want string }{
		{"a tag", "v1.2.3", "", first},
		{"a tag without its v", "1.2.3", "", first},
		{"the tag of a service", "2.0.0", "", first},
		{"a commit", second, "", second},
		{"an abbreviated commit", second[:12], "", second},
		{"a commit of a changed tree", second[:12] + "+dirty", "", second},
		{"git describe", "v1.2.3-1-g" + second[:8], "", second},
		{"a pseudo-version", "v1.2.4-0.20260302090000-" + second[:12], "", second},
		{"the revision beside an unknown version", "2026-03-02.7", second, second},
		{"a branch is no version", "release", "", ""},
		{"nor is HEAD", "HEAD", "", ""},
		{"nor an option", "--all", "", ""},
		{"nor an expression", "v1.2.3~0", "", ""},
		{"an unknown tag", "v9.9.9", "", ""},
		{"nothing", "", "", ""},
	} {
		got, why := repos.Commit("cart", c.version, c.revision)
		if got.Hash != c.want || (c.want == "") != (why != "") {
			t.Errorf("%s, %q: %s %q, want %s", c.why, c.version, got.Hash, why, c.want)
		}
		if c.want != "" && !got.At.Equal(start) {
			t.Errorf("%s: committed at %v, want %v", c.why, got.At, start)
		}
	}
}

func TestNoRepository(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if _, err := dora.OpenRepositories(t.Context(), map[string]string{"": dir}); !errors.Is(err, dora.ErrNoGit) {
		t.Errorf("%v, want ErrNoGit", err)
	}
}

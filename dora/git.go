package dora

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/module"
)

// ErrNoGit is returned for a directory that is not in a git repository.
var ErrNoGit = errors.New("not in a git repository")

// Repositories finds the commits of versions in git repositories.
type Repositories struct {
	dirs map[string]string // by service; "" is that of all others
	ctx  context.Context
}

// OpenRepositories checks the directories, by service; that of "" is for all others. It
// fails with ErrNoGit, also if git itself is not installed.
func OpenRepositories(ctx context.Context, dirs map[string]string) (*Repositories, error) {
	for _, dir := range dirs {
		if _, err := git(ctx, dir, "rev-parse", "--git-dir"); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", dir, ErrNoGit, err)
		}
	}
	return &Repositories{dirs, ctx}, nil
}

var (
	hash   = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
	suffix = regexp.MustCompile(`(?:\+dirty|\+incompatible|-dirty)$`)
	// described is the output of git describe: tag, commits since, commit.
	described = regexp.MustCompile(`-\d+-g([0-9a-f]{7,64})$`)
)

// Commit returns the commit that a version was built from, or the reason why it is not
// known. A version is a tag (1.2.3, v1.2.3, SERVICE/v1.2.3 or SERVICE-1.2.3), the hash of a
// commit, the output of git describe, or a pseudo-version of Go. A revision, if the service
// reports one, comes first. A branch is not a version.
func (r *Repositories) Commit(service, version, revision string) (Commit, string) {
	dir, ok := r.dirs[service]
	if !ok {
		if dir, ok = r.dirs[""]; !ok {
			return Commit{}, "no git: there is no --git for " + service
		}
	}
	version = suffix.ReplaceAllString(version, "")
	var names []string
	if hash.MatchString(revision) {
		names = append(names, revision)
	}
	names = append(names, r.tags(dir, service, version)...)
	if m := described.FindStringSubmatch(version); m != nil {
		names = append(names, m[1])
	}
	if rev, err := module.PseudoVersionRev("v" + strings.TrimPrefix(version, "v")); err == nil && hash.MatchString(rev) {
		names = append(names, rev)
	}
	if hash.MatchString(version) {
		names = append(names, version)
	}
	for _, name := range names {
		out, err := git(r.ctx, dir, "log", "-1", "--no-show-signature", "--format=%H %ct", "--end-of-options", name+"^{commit}", "--")
		if err != nil {
			continue
		}
		h, at, _ := strings.Cut(out, " ")
		if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
			return Commit{h, time.Unix(seconds, 0).UTC()}, ""
		}
	}
	return Commit{}, fmt.Sprintf("%s has neither a tag nor a commit %s", dir, version)
}

// refName matches names of tags. Versions are whatever a service reports; an expression such as v1~1
// is none.
var refName = regexp.MustCompile(`^[\pL\pN_][\pL\pN_.+/-]*$`)

// tags returns the tags that stand for a version of a service.
func (r *Repositories) tags(dir, service, version string) []string {
	var asked []string
	for _, tag := range []string{version, "v" + version, service + "/" + version, service + "/v" + version, service + "-" + version, service + "-v" + version} {
		if refName.MatchString(tag) && !strings.Contains(tag, "..") {
			asked = append(asked, "refs/tags/"+tag)
		}
	}
	if version == "" || len(asked) == 0 {
		return nil
	}
	out, err := git(r.ctx, dir, append([]string{"for-each-ref", "--format=%(refname)"}, asked...)...)
	if err != nil {
		return nil
	}
	there := strings.Split(out, "\n") // also those in a folder of that name
	return slices.DeleteFunc(asked, func(tag string) bool { return !slices.Contains(there, tag) })
}

// git runs a command that only reads. The answer is without the newline at its end.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return "", fmt.Errorf("git: %w: %s", err, line)
	}
	return strings.TrimSpace(out.String()), nil
}

package main

import (
	"bytes"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	info := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	revision, modified := debug.BuildSetting{Key: "vcs.revision", Value: commit}, debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		why                     string
		version, commit         string // set by the linker
		info                    *debug.BuildInfo
		wantVersion, wantCommit string
		wantModified            bool
	}{
		{"a release", "v1.2.0", commit, info("(devel)"), "v1.2.0", commit, false},
		{"go install …@v1.2.0", "", "", info("v1.2.0"), "v1.2.0", "", false},
		{"go build in a clone", "", "", info("(devel)", revision), "devel", commit, false},
		{"go build in a changed clone", "", "", info("(devel)", revision, modified), "devel", commit, true},
		{"go build -buildvcs=false", "", "", info("(devel)"), "devel", "", false},
		{"no build information", "", "", nil, "devel", "", false},
	} {
		got := newBuild(c.version, c.commit, c.info)
		if got.version != c.wantVersion || got.commit != c.wantCommit || got.modified != c.wantModified {
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}

// `tenhop version` and `tenhop --version` print the same.
func TestVersion(t *testing.T) {
	var printed [2]string
	for i, args := range [][]string{{"version"}, {"--version"}} {
		var out bytes.Buffer
		root := newRootCmd()
		root.SetOut(&out)
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		printed[i] = out.String()
	}
	if printed[0] != printed[1] || !strings.HasPrefix(printed[0], "tenhop ") || !strings.Contains(printed[0], "\ngo     "+runtime.Version()+" ") {
		t.Errorf("%q\n%q", printed[0], printed[1])
	}
}

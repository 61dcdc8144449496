package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the release build, with -ldflags "-X main.releaseVersion=...".
var releaseVersion, releaseCommit string

// build describes how this program was built.
type build struct {
	version  string // of the module; "devel" if it is not released
	commit   string // empty if it is unknown
	modified bool   // the working tree had changes
}

// newBuild returns the build. Values set by the release build take precedence over the
// build information of the Go command.
func newBuild(version, commit string, info *debug.BuildInfo) build {
	b := build{version: version, commit: commit}
	if info != nil {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.commit = cmp.Or(b.commit, s.Value)
			case "vcs.modified":
				b.modified = s.Value == "true"
			}
		}
		if v := info.Main.Version; v != "(devel)" {
			b.version = cmp.Or(b.version, v)
		}
	}
	b.version = cmp.Or(b.version, "devel")
	return b
}

// thisBuild describes this program.
func thisBuild() build {
	info, _ := debug.ReadBuildInfo()
	return newBuild(releaseVersion, releaseCommit, info)
}

// version returns the version that services report: that of the module or, if it
// is not released, the commit.
func version() string {
	b := thisBuild()
	if b.version == "devel" && len(b.commit) >= 12 {
		return b.commit[:12]
	}
	return b.version
}

// String returns the description in three lines.
func (b build) String() string {
	commit := cmp.Or(b.commit, "unknown")
	if b.modified {
		commit += " (modified)"
	}
	return fmt.Sprintf("tenhop %s\ncommit %s\ngo     %s %s/%s\n", b.version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go version",
		Long:    "Print the version of this program, the commit it was built from, and the version\nof Go that built it.",
		Example: "  tenhop version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
}

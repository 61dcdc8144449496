//go:build unix

package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// A named pipe keeps its reader waiting: for a writer, then for what it writes.
func TestSilentPipe(t *testing.T) {
	for _, written := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if written {
			w, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := file.Read(ctx, path, func(string, trace.Span) {})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a writer %v: error %v, want that of the context", written, err)
		}
	}
}

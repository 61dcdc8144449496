// Package file reads traces from files and detects their format: OTLP as JSON or
// protobuf, the JSON of Jaeger, Tempo and Zipkin, and the output of OpenTelemetry's
// stdout exporters. A file holds one document, several, or one per line. It may be
// compressed with gzip, zstd, bzip2 or xz. Spans are read as a stream, so a file may be
// larger than memory.
//
// The error for an unsupported format names the format and suggests an alternative. A
// record that cannot be read is skipped and counted.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tenhop/tenhop/trace"
)

// maxRecord bounds one record, in bytes: a JSON object or a protobuf message. Lists of
// traces, resources or spans are read in parts and may be longer.
const maxRecord = 64 << 20

// Stdin is the path that denotes standard input.
const Stdin = "-"

// Stats counts the spans and records that were read or skipped.
type Stats struct {
	Spans    int
	Timeless int // spans without a start time, which are skipped
	Skipped  int // records of other signals: logs, metrics, profiles
	Bad      int // records that cannot be read, wholly or in part
}

func (s *Stats) add(o Stats) {
	s.Spans += o.Spans
	s.Timeless += o.Timeless
	s.Skipped += o.Skipped
	s.Bad += o.Bad
}

// Error is returned if some records cannot be read. The spans of the others have been
// passed on.
type Error struct {
	File   string
	Line   int   // of the first such record, in text
	Offset int64 // of the first such record, in bytes of the decompressed file
	Err    error // cause for the first record
	More   int   // number of further records that cannot be read
}

// Error implements error.
func (e *Error) Error() string {
	var where string
	switch {
	case e.Line > 0:
		where = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	default:
		where = fmt.Sprintf("%s: byte %d: ", e.File, e.Offset)
	}
	s := where + e.Err.Error()
	if e.More > 0 {
		s += fmt.Sprintf("; %d more records cannot be read", e.More)
	}
	return s
}

// Unwrap returns the cause for the first record.
func (e *Error) Unwrap() error { return e.Err }

// ErrNoSpans is returned for a valid file without spans.
var ErrNoSpans = errors.New("holds no spans")

// Read passes the spans of a file to add, with their trace IDs. If path is a directory,
// Read reads all files below it except hidden ones. If it is a pattern, as a shell
// leaves it in quotes, Read reads all that match. Spans read before an error have
// been passed on. Read returns when ctx is done, even while it waits for the writer of
// a named pipe.
func Read(ctx context.Context, path string, add func(traceID string, s trace.Span)) (Stats, error) {
	if path == Stdin {
		return Decode(ctx, interruptible(ctx, os.Stdin), "standard input", add)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return readDir(ctx, path, add)
	}
	if paths := Matches(path); len(paths) > 0 {
		return readAll(ctx, paths, add)
	}
	return readFile(ctx, path, add)
}

// Matches returns the files that path stands for if there is no file of that name and
// path is a pattern of package path/filepath.
func Matches(path string) []string {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	paths, _ := filepath.Glob(path) // a malformed pattern is the name of a file that does not exist
	return paths
}

// readAll reads files and directories one after another.
func readAll(ctx context.Context, paths []string, add func(string, trace.Span)) (Stats, error) {
	var all Stats
	var failed []error
	for _, path := range paths {
		stats, err := Read(ctx, path, add)
		if all.add(stats); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if more := len(failed) - mostErrors; more > 0 {
		failed = append(failed[:mostErrors], fmt.Errorf("%d more files cannot be read", more))
	}
	return all, errors.Join(failed...)
}

func readFile(ctx context.Context, path string, add func(string, trace.Span)) (Stats, error) {
	f, err := open(ctx, path)
	if err != nil {
		return Stats{}, err
	}
	defer f.Close()
	// Closing the file unblocks a Read of an idle pipe.
	defer context.AfterFunc(ctx, func() { _ = f.Close() })()
	return Decode(ctx, f, path, add)
}

// mostErrors is the maximum number of files in a directory whose errors are reported.
const mostErrors = 5

func readDir(ctx context.Context, dir string, add func(string, trace.Span)) (Stats, error) {
	var all Stats
	var failed []error
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		files++
		stats, err := readFile(ctx, path, add)
		all.add(stats)
		if err != nil {
			failed = append(failed, err)
		}
		return ctx.Err()
	})
	if more := len(failed) - mostErrors; more > 0 {
		failed = append(failed[:mostErrors], fmt.Errorf("%d more files of %s cannot be read", more, dir))
	}
	if err == nil && files == 0 {
		err = fmt.Errorf("%s %w: there is no file in it", dir, ErrNoSpans)
	}
	return all, errors.Join(append(failed, err)...)
}

// open is os.Open with a context, since opening a named pipe blocks until there is a
// writer.
func open(ctx context.Context, path string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened)
	go func() {
		f, err := os.Open(path)
		select {
		case done <- opened{f, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close()
			}
		}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("open %s: %w", path, ctx.Err())
	}
}

// interruptible returns a reader of r that fails when ctx is done. Closing a terminal
// does not unblock its reader, so one Read of r may be left blocked.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
	return out
}

// until is a reader that fails when its context is done.
type until struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := u.r.Read(p)
	if err != nil && u.ctx.Err() != nil {
		err = u.ctx.Err() // the file was closed because the context ended
	}
	return n, err
}

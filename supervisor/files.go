package supervisor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Errors of files in the state directory that this package did not create.
var (
	errSymlink    = errors.New("is a symbolic link")
	errNotRegular = errors.New("is not a regular file")
	errNotDir     = errors.New("it is a file, not a directory")
)

// inspect fails if others than the user can decide what the directory holds: by writing
// to it, or by symbolic links in it, as a directory unpacked from an archive may have.
// The stores in it follow links.
func (d Dir) inspect() error {
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other users can write to it; run chmod go-w %s", d.path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() != 0 && stat.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("it belongs to another user (uid %d)", stat.Uid)
	}
	root, err := filepath.EvalSymlinks(d.path) // the directory itself may be on another disk
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile by a process that still runs
		case err != nil:
			return err
		case entry.Type()&fs.ModeSymlink != 0:
			return &fs.PathError{Op: "open", Path: path, Err: errSymlink}
		}
		return nil
	})
}

// openFile opens a file of the state directory, readable by its owner only. It
// follows no symbolic link, which could lead to any file of the user, and does
// not block on a named pipe.
func openFile(path string, flag int) (*os.File, error) {
	f, err := os.OpenFile(path, flag|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if errors.Is(err, syscall.ELOOP) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errSymlink}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func readFile(path string) ([]byte, error) {
	f, err := openFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// replaceFile replaces a file atomically.
func replaceFile(path string, b []byte) error {
	next := path + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := openFile(next, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

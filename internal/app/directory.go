package app

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// maxFile is the maximum size of a file of a Directory, in bytes.
const maxFile = 8 << 20

// Directory returns the files of a directory that the user names, for dashboards and
// rules. It follows symbolic links within the directory only, as those of a mounted
// ConfigMap, and opens neither devices and pipes nor files of more than 8 MiB.
func Directory(path string) (fs.FS, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return directory{root}, nil
}

type directory struct{ root *os.Root }

// Errors of files that a directory refuses.
var (
	errNotRegular = errors.New("is not a regular file")
	errTooLarge   = errors.New("is larger than 8 MiB")
)

// Open implements fs.FS. It does not wait for the writer of a named pipe.
func (d directory) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.IsDir() && !info.Mode().IsRegular():
		err = errNotRegular
	case info.Size() > maxFile:
		err = errTooLarge
	}
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: name, Err: err}, f.Close())
	}
	return f, nil
}

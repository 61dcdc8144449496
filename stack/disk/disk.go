// Package disk holds the file operations by which the stores write, so that tests can
// make each of them fail.
package disk

import "os"

// Ops holds file operations. Each behaves as the function of package os with its name, or
// the method of os.File.
type Ops struct {
	OpenFile func(path string, flag int, perm os.FileMode) (*os.File, error)
	WriteAt  func(f *os.File, b []byte, off int64) (int, error)
	Truncate func(f *os.File, size int64) error
	Rename   func(from, to string) error
	Remove   func(path string) error
}

// OS returns the operations of the operating system.
func OS() Ops {
	return Ops{
		OpenFile: os.OpenFile,
		WriteAt:  (*os.File).WriteAt,
		Truncate: (*os.File).Truncate,
		Rename:   os.Rename,
		Remove:   os.Remove,
	}
}

// WriteFile writes a file with mode 0600, as os.WriteFile does.
func (o Ops) WriteFile(path string, b []byte) error {
	f, err := o.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = o.WriteAt(f, b, 0)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

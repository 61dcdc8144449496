package logstore

import (
	"errors"
	"io/fs"
	"time"
)

// expire removes files older than the retention.
func (k *sink) expire() error {
	if k.retention <= 0 {
		return nil
	}
	var errs []error
	now := k.now()
	for _, f := range k.services {
		errs = append(errs, k.expireService(f, now))
	}
	return errors.Join(errs...)
}

// room removes the oldest file of the service that takes the most disk space until n more
// bytes fit.
func (k *sink) room(n int64) error {
	var errs []error
	failed := map[*sinkFile]bool{}
	for k.total+n > k.diskBytes {
		var largest *sinkFile
		for _, f := range k.services {
			if !failed[f] && f.bytes() > 0 && (largest == nil || f.bytes() > largest.bytes() || (f.bytes() == largest.bytes() && f.name < largest.name)) {
				largest = f
			}
		}
		if largest == nil {
			return errors.Join(errs...)
		}
		if err := k.removeOldest(largest); err != nil {
			failed[largest] = true
			errs = append(errs, err)
		}
	}
	return nil
}

// agesPerRetention is the number of files over which a service's lines of one retention
// are spread at least: a file is removed as a whole.
const agesPerRetention = 4

// expireService removes the files of a service that were last written before the
// retention, and rotates the current one when it spans a part of it.
func (k *sink) expireService(f *sinkFile, now time.Time) error {
	for len(f.rotated) > 0 && now.Sub(f.rotated[0].written) > k.retention {
		if err := k.removeOldest(f); err != nil {
			return err
		}
	}
	if f.torn > 0 {
		if err := k.handle(f); err != nil {
			return err
		}
		if err := k.cut(f); err != nil {
			return err
		}
	}
	switch {
	case f.size == 0:
		return nil
	case now.Sub(f.written) > k.retention:
		return k.discard(f)
	case now.Sub(f.started) > k.retention/agesPerRetention:
		return k.rotate(f)
	}
	return nil
}

// removeOldest removes the oldest file of a service.
func (k *sink) removeOldest(f *sinkFile) error {
	if len(f.rotated) > 0 {
		oldest := f.rotated[0]
		if err := k.remove(oldest.path, oldest.size); err != nil {
			return err
		}
		f.rotated = f.rotated[1:]
		if len(f.rotated) == 0 && f.size+f.torn == 0 {
			delete(k.services, f.name)
			return k.close(f)
		}
		return nil
	}
	if err := k.close(f); err != nil {
		return err
	}
	if err := k.remove(k.path(f), f.size+f.torn); err != nil {
		return err
	}
	f.size, f.torn = 0, 0
	delete(k.services, f.name)
	return nil
}

// discard removes all files of a service.
func (k *sink) discard(f *sinkFile) error {
	for k.services[f.name] == f {
		if err := k.removeOldest(f); err != nil {
			return err
		}
	}
	return nil
}

func (k *sink) remove(path string, size int64) error {
	if err := k.ops.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	k.total -= size
	k.removed += size
	return nil
}

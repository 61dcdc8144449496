package logstore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tenhop/tenhop/stack/disk"
)

// DefaultMemoryBytes is the default size of the index.
const DefaultMemoryBytes = 16 << 20

const (
	followInterval = 500 * time.Millisecond
	// maxFollowShare bounds the fraction of time spent on reading new lines to
	// 1/maxFollowShare.
	maxFollowShare = 20
)

// Store is an index of the log files of a directory. It is safe for concurrent
// use. Create it with Open and end it with Close.
type Store struct {
	dir         string
	memoryBytes int64
	diskBytes   int64
	retention   time.Duration
	now         func() time.Time
	ops         disk.Ops
	log         *slog.Logger

	mu      sync.RWMutex
	files   map[string]*file
	dropped int64 // blocks removed from the index to bound it

	sink   *sink
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Option configures a Store.
type Option func(*Store)

// WithMemoryBytes bounds the index, in bytes of at least 64 KiB. 1 MiB covers
// about 200 MB of lines; older lines are no longer found.
func WithMemoryBytes(n int64) Option { return func(s *Store) { s.memoryBytes = max(n, 64<<10) } }

// WithDiskBytes bounds the files of received records, in bytes of at least 1 MiB. Beyond
// it, the service that takes the most space loses its oldest records. The other files of
// the directory are not counted.
func WithDiskBytes(n int64) Option { return func(s *Store) { s.diskBytes = max(n, 1<<20) } }

// WithRetention sets the age at which lines are no longer found. Files of received records
// are removed when their newest record has that age, at most a quarter of d after the
// oldest; the other files of the directory stay. Zero, the default, is no limit.
func WithRetention(d time.Duration) Option { return func(s *Store) { s.retention = d } }

// WithClock replaces the wall clock, for tests of retention.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// WithLogger sets the logger for background failures. The default is
// slog.Default.
func WithLogger(l *slog.Logger) Option { return func(s *Store) { s.log = l } }

// Open indexes the *.jsonl files of dir, which is created if needed, and follows
// them. It returns at once; existing lines are found shortly after.
func Open(dir string, opts ...Option) (*Store, error) {
	s := &Store{dir: dir, memoryBytes: DefaultMemoryBytes, diskBytes: DefaultDiskBytes, now: time.Now, ops: disk.OS(),
		log: slog.Default(), files: map[string]*file{}}
	for _, o := range opts {
		o(s)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.sink = &sink{dir: dir, ops: s.ops, diskBytes: s.diskBytes, retention: s.retention, now: s.now}
	if err := s.sink.open(); err != nil {
		return nil, errors.Join(err, s.sink.closeAll())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.done.Go(func() { s.follow(ctx) })
	return s, nil
}

// Close stops following and closes the files of received records.
func (s *Store) Close() error {
	s.cancel()
	s.done.Wait()
	return s.sink.closeAll()
}

func (s *Store) follow(ctx context.Context) {
	var next time.Duration
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
		start := time.Now()
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("follow logs", "dir", s.dir, "error", err)
		}
		if err := s.Expire(); err != nil {
			s.log.Warn("remove expired logs", "dir", s.dir, "error", err)
		}
		next = max(followInterval, maxFollowShare*time.Since(start))
	}
}

// Refresh indexes new files and new lines. The store itself calls it twice per second,
// or less often if it takes long.
func (s *Store) Refresh(ctx context.Context) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	paths := make(map[string]struct{}, len(entries))
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".jsonl") {
			paths[filepath.Join(s.dir, e.Name())] = struct{}{}
		}
	}
	s.mu.Lock()
	for path := range s.files {
		if _, ok := paths[path]; !ok {
			delete(s.files, path)
		}
	}
	for path := range paths {
		if s.files[path] == nil {
			s.files[path] = newFile(path)
		}
	}
	s.mu.Unlock()
	var errs []error
	for path := range paths {
		if err := s.refreshFile(ctx, path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	s.mu.Lock()
	s.bound()
	s.mu.Unlock()
	return errors.Join(errs...)
}

func (s *Store) refreshFile(ctx context.Context, path string) error {
	for more := true; more && ctx.Err() == nil; {
		s.mu.RLock()
		f, ok := s.files[path]
		var snapshot file
		if ok {
			snapshot = file{path: f.path, info: f.info, next: f.next, last: f.last}
			snapshot.limit = s.sink.stored
		}
		s.mu.RUnlock()
		if !ok {
			return nil
		}
		if unchanged, err := snapshot.unchanged(); unchanged || err != nil {
			return err
		}
		c, err := snapshot.follow()
		if err != nil {
			return err
		}
		s.mu.Lock()
		// A concurrent Refresh may have read the chunk before.
		if f.next == snapshot.next {
			f.apply(c)
		}
		s.mu.Unlock()
		more = c.more
	}
	return ctx.Err()
}

// Expire removes what is older than the retention. The store itself calls it twice per
// second.
func (s *Store) Expire() error {
	if s.retention > 0 {
		oldest := s.now().Add(-s.retention).UnixNano()
		s.mu.Lock()
		for _, f := range s.files {
			f.blocks = slices.DeleteFunc(f.blocks, func(b block) bool { return b.maxTime < oldest })
		}
		s.mu.Unlock()
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return s.sink.expire()
}

// bound removes the oldest blocks until the index fits. The caller holds the
// lock.
func (s *Store) bound() {
	for {
		var total int64
		var oldest *file
		for _, f := range s.files {
			total += int64(len(f.blocks)) * blockCost
			if len(f.blocks) > 0 && (oldest == nil || f.blocks[0].maxTime < oldest.blocks[0].maxTime) {
				oldest = f
			}
		}
		if total <= s.memoryBytes || oldest == nil {
			return
		}
		// Dropping a tenth at a time makes this rare.
		n := max(1, len(oldest.blocks)/10)
		oldest.blocks = slices.Clone(oldest.blocks[n:])
		s.dropped += int64(n)
	}
}

// Services returns the names of the services that wrote lines between from and
// to, sorted.
func (s *Store) Services(from, to time.Time) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	set := map[string]struct{}{}
	for _, f := range s.files {
		for i := range f.blocks {
			if f.blocks[i].minTime <= to.UnixNano() && f.blocks[i].maxTime >= from.UnixNano() {
				set[f.service] = struct{}{}
				break
			}
		}
	}
	return sortedKeys(set)
}

// Stats holds the size of a store.
type Stats struct {
	Files         int   // followed files
	Blocks        int   // blocks in the index, about 64 KiB of lines each
	IndexBytes    int64 // memory of the index
	LineBytes     int64 // size of the indexed lines
	DroppedBlocks int64 // blocks removed from the index since Open to bound it
	DiskBytes     int64 // size of the files of received records
	RemovedBytes  int64 // size of those removed by size or age since Open
}

// Stats returns the current size of the store.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Stats{Files: len(s.files), DroppedBlocks: s.dropped}
	for _, f := range s.files {
		st.Blocks += len(f.blocks)
		for i := range f.blocks {
			st.LineBytes += f.blocks[i].size
		}
	}
	st.IndexBytes = int64(st.Blocks) * blockCost
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	st.DiskBytes, st.RemovedBytes = s.sink.total, s.sink.removed
	return st
}

package logstore

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Defaults of the options.
const (
	DefaultMemoryBytes = 16 << 20
	followEvery        = 500 * time.Millisecond
)

// Store follows a directory. It is safe for concurrent use. Create it with
// Open and end it with Close.
type Store struct {
	dir         string
	memoryBytes int64
	log         *slog.Logger

	mu      sync.RWMutex
	files   map[string]*file
	dropped int64 // blocks forgotten for want of memory

	sink   sink
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Option configures a Store.
type Option func(*Store)

// WithMemoryBytes bounds the index. 1 MiB covers about 200 MB of lines; beyond
// it the oldest lines are no longer found.
func WithMemoryBytes(n int64) Option { return func(s *Store) { s.memoryBytes = max(n, 64<<10) } }

// WithLogger replaces slog.Default.
func WithLogger(l *slog.Logger) Option { return func(s *Store) { s.log = l } }

// Open follows dir, which is created if needed. It returns at once; lines that
// are there already are found soon after.
func Open(dir string, opts ...Option) (*Store, error) {
	s := &Store{dir: dir, memoryBytes: DefaultMemoryBytes, log: slog.Default(), files: map[string]*file{}}
	for _, o := range opts {
		o(s)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s.sink.dir = dir
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.done.Go(func() { s.follow(ctx) })
	return s, nil
}

// Close stops following.
func (s *Store) Close() error {
	s.cancel()
	s.done.Wait()
	return s.sink.close()
}

func (s *Store) follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("follow logs", "dir", s.dir, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Refresh indexes what the files have gained. It is called twice a second by
// itself.
func (s *Store) Refresh(ctx context.Context) error {
	paths, err := filepath.Glob(filepath.Join(s.dir, "*.jsonl"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	for path := range s.files {
		if !slices.Contains(paths, path) {
			delete(s.files, path)
		}
	}
	for _, path := range paths {
		if s.files[path] == nil {
			s.files[path] = newFile(path)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, path := range paths {
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
		}
		s.mu.RUnlock()
		if !ok {
			return nil
		}
		c, err := snapshot.follow()
		if err != nil {
			return err
		}
		s.mu.Lock()
		// Another Refresh may have been faster.
		if f.next == snapshot.next {
			f.apply(c)
		}
		s.mu.Unlock()
		more = c.more
	}
	return ctx.Err()
}

// bound forgets the oldest blocks until the index fits. The caller holds the
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
		// A tenth at a time, so that this is seldom done.
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

// Stats is what the store holds now.
type Stats struct {
	Files         int
	Blocks        int
	IndexBytes    int64
	LineBytes     int64 // of the lines that can be found
	DroppedBlocks int64
}

// Stats returns the current figures.
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
	return st
}

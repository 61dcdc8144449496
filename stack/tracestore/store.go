package tracestore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tenhop/tenhop/stack/disk"
)

// Defaults of the options.
const (
	DefaultMemoryBytes  = 64 << 20
	DefaultDiskBytes    = 1 << 30
	DefaultSegmentBytes = 16 << 20
	DefaultRetention    = 24 * time.Hour
)

var (
	// ErrClosed is returned by every call on a closed store.
	ErrClosed = errors.New("trace store is closed")
	// ErrNotFound is returned for a trace that is not stored or has expired.
	ErrNotFound = errors.New("trace not found")
)

// Store is a bounded store of traces. It is safe for concurrent use. The
// directory belongs to one Store at a time.
type Store struct {
	dir          string
	memoryBytes  int64
	diskBytes    int64
	segmentBytes int64
	retention    time.Duration
	now          func() time.Time
	ops          disk.Ops
	log          *slog.Logger

	mu      sync.RWMutex
	sealed  []*segment // oldest first
	active  *segment
	stored  identities
	room    room
	closed  bool
	garbage []string // files of dropped segments that are left
	dropped atomic.Int64
	torn    int64
}

// Option configures a Store.
type Option func(*Store)

// WithMemoryBytes sets the maximum size of the index in memory, at least 4 MiB.
// The newest segment takes about 100 bytes per span, each other one about 80
// bytes per trace. Buffers of running searches are not counted.
func WithMemoryBytes(n int64) Option {
	return func(s *Store) { s.memoryBytes = max(n, 4<<20) }
}

// WithDiskBytes sets the maximum size of the segment files with their indexes, at least
// 1 MiB.
func WithDiskBytes(n int64) Option {
	return func(s *Store) { s.diskBytes = max(n, 1<<20) }
}

// WithRetention drops spans that were stored before d, at most an eighth of d later. Zero
// keeps them until a size limit is reached.
func WithRetention(d time.Duration) Option {
	return func(s *Store) { s.retention = d }
}

// WithClock replaces the wall clock, for tests of retention.
func WithClock(now func() time.Time) Option {
	return func(s *Store) { s.now = now }
}

// WithLogger sets the logger for background failures. The default is
// slog.Default.
func WithLogger(l *slog.Logger) Option {
	return func(s *Store) { s.log = l }
}

// Open opens the store in dir, which is created if needed, and recovers the
// segments of a killed process. It fails if dir cannot be read or written.
func Open(dir string, opts ...Option) (*Store, error) {
	s := &Store{
		dir:         dir,
		memoryBytes: DefaultMemoryBytes,
		diskBytes:   DefaultDiskBytes,
		retention:   DefaultRetention,
		now:         time.Now,
		ops:         disk.OS(),
		log:         slog.Default(),
		stored:      newIdentities(),
	}
	for _, o := range opts {
		o(s)
	}
	// Expiry drops at most an eighth at a time.
	s.segmentBytes = min(DefaultSegmentBytes, s.diskBytes/8)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open trace store: %w", err)
	}
	if err := s.recover(); err != nil {
		for _, seg := range s.sealed {
			_ = seg.release()
		}
		return nil, fmt.Errorf("open trace store: %w", err)
	}
	if err := s.expire(0); err != nil {
		s.log.Warn("remove expired trace segments", "error", err)
	}
	return s, nil
}

func (s *Store) recover() error {
	numbers, err := segmentNumbers(s.dir)
	if err != nil {
		return err
	}
	if err := s.removeUnfinished(); err != nil {
		return err
	}
	for _, n := range numbers {
		seg, torn, err := openSegment(s.ops, segmentPath(s.dir, n), n)
		if err != nil {
			return err
		}
		if torn > 0 {
			s.torn += torn
			s.log.Warn("trace segment had a torn tail", "segment", seg.path, "bytes", torn)
		}
		if seg.index == nil && n != numbers[len(numbers)-1] {
			if err := seg.seal(); err != nil {
				s.log.Warn("the index of a trace segment stays in memory", "error", err)
			}
		}
		s.sealed = append(s.sealed, seg)
	}
	n := len(s.sealed)
	if n == 0 || s.sealed[n-1].size >= s.segmentBytes {
		if err := s.startSegment(); err != nil {
			return err
		}
	} else {
		s.active = s.sealed[n-1]
		s.sealed = s.sealed[:n-1]
		if err := s.active.unseal(); err != nil {
			return errors.Join(err, s.active.release())
		}
	}
	if err := s.loadIdentities(); err != nil {
		s.log.Warn("spans sent again after the restart are stored twice", "error", err)
	}
	return nil
}

// loadIdentities reads which spans the two newest segments hold.
func (s *Store) loadIdentities() error {
	if n := len(s.sealed); n > 0 {
		if err := s.stored.load(s.sealed[n-1]); err != nil {
			return err
		}
		s.stored.roll()
	}
	return s.stored.load(s.active)
}

// removeUnfinished removes index files that a killed process did not complete.
func (s *Store) removeUnfinished() error {
	names, err := filepath.Glob(filepath.Join(s.dir, "*.tmp"))
	for _, name := range names {
		err = errors.Join(err, s.ops.Remove(name))
	}
	return err
}

// presized is the share of the index's memory that a new segment takes at most before it
// has a span.
const presized = 16

func (s *Store) startSegment() error {
	var next uint64 = 1
	usual := 0
	if n := len(s.sealed); n > 0 {
		next = s.sealed[n-1].number + 1
		usual = s.sealed[n-1].count
	}
	seg, err := createSegment(s.ops, s.dir, next)
	if err != nil {
		return err
	}
	// Growing a long list by append would allocate several times its size.
	seg.entries = make([]entry, 0, min(usual, int(s.memoryBytes)/presized/entryBytes))
	s.active = seg
	return nil
}

// roll seals the active segment and starts the next.
func (s *Store) roll() error {
	old := s.active
	if err := old.cut(); err != nil {
		return err
	}
	s.sealed = append(s.sealed, old)
	if err := s.startSegment(); err != nil {
		s.sealed = s.sealed[:len(s.sealed)-1]
		return err
	}
	s.stored.roll()
	if err := old.seal(); err != nil {
		// The next start scans the segment.
		s.log.Warn("the index of a trace segment stays in memory", "error", err)
	}
	return nil
}

// segments returns all segments, oldest first. The caller holds the lock.
func (s *Store) segments() []*segment {
	return append(slices.Clip(s.sealed), s.active)
}

// Close seals the active segment and closes the store. Running reads complete.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.active.cut()
	if err == nil {
		err = s.active.seal()
	}
	for _, seg := range s.segments() {
		err = errors.Join(err, seg.release())
	}
	return err
}

// Stats holds the size of a store.
type Stats struct {
	Segments        int   // files
	Spans           int   // in the index
	Traces          int   // in the index; one in two segments counts twice
	MemoryBytes     int64 // estimate of the index
	DiskBytes       int64
	DroppedSegments int64 // expired since Open
	TornBytes       int64 // cut off by Open
}

// Stats returns the current size of the store.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := Stats{DroppedSegments: s.dropped.Load(), TornBytes: s.torn}
	st.MemoryBytes, st.DiskBytes = s.usage()
	for _, seg := range s.segments() {
		st.Segments++
		st.Spans += seg.count
		st.Traces += len(seg.traceOf)
	}
	return st
}

func segmentNumbers(dir string) ([]uint64, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		return nil, err
	}
	numbers := make([]uint64, 0, len(names))
	for _, name := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), ".seg"), 10, 64)
		if err != nil {
			continue // not a segment
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

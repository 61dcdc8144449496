package tracestore

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestEverythingIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, WithDiskBytes(1<<20))
	for c := range slices.Chunk(randomSpans(rand.New(rand.NewPCG(3, 4)), 1500), 30) {
		add(t, s, c...)
	}
	type answers struct {
		services   []string
		operations []Operation
		traces     map[byte][]string
		deps       []Dependency
		stats      Stats
	}
	ask := func(s *Store) answers {
		a := answers{services: s.Services(), operations: s.Operations("s1", ""), traces: map[byte][]string{}, stats: s.Stats()}
		for id := range 200 {
			a.traces[byte(id)] = spanNames(t, s, byte(id))
		}
		var err error
		if a.deps, err = s.Dependencies(t.Context(), epoch, epoch.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		a.stats.MemoryBytes = 0
		return a
	}
	before := ask(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := ask(open(t, dir, WithDiskBytes(1<<20))); !reflect.DeepEqual(before, after) {
		t.Errorf("differs after reopening:\n%+v\n%+v", before.stats, after.stats)
	}
	// The index files are an aid only.
	indexes, err := filepath.Glob(filepath.Join(dir, "*.idx"))
	if err != nil || len(indexes) == 0 {
		t.Fatal(indexes, err)
	}
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for i, path := range indexes {
		path = filepath.Join(copied, filepath.Base(path))
		if i%2 == 0 {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte("garbage"), 0o600)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if after := ask(open(t, copied, WithDiskBytes(1<<20))); !reflect.DeepEqual(before, after) {
		t.Errorf("differs after a scan:\n%+v\n%+v", before.stats, after.stats)
	}
}

// A killed process leaves a file that ends anywhere.
func TestRecoversFromAFileCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	add(t, s, testSpan{trace: 1, span: 1, service: "a", name: "first"})
	whole := s.Stats().DiskBytes
	add(t, s, testSpan{trace: 2, span: 1, service: "b", name: "second"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for size := whole; size < int64(len(content)); size++ {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 1), content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if got := spanNames(t, s, 1); !slices.Equal(got, []string{"a/first"}) {
			t.Fatalf("cut at %d: %v", size, got)
		}
		add(t, s, testSpan{trace: 3, span: 1, service: "c", name: "third"})
		if got := spanNames(t, s, 3); !slices.Equal(got, []string{"c/third"}) {
			t.Fatalf("cut at %d, appended: %v", size, got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsDropTheOldestSegments(t *testing.T) {
	now := epoch
	clock := func() time.Time { return now }
	for name, opts := range map[string][]Option{
		"disk": {WithDiskBytes(1 << 20)},
		"age":  {WithDiskBytes(4 << 20), WithRetention(time.Minute), WithClock(clock)},
	} {
		t.Run(name, func(t *testing.T) {
			now = epoch
			s := open(t, t.TempDir(), opts...)
			r := rand.New(rand.NewPCG(5, 6))
			for range 200 {
				add(t, s, randomSpans(r, 40)...)
				now = now.Add(time.Second)
			}
			st := s.Stats()
			if st.DroppedSegments == 0 {
				t.Fatal("nothing was dropped")
			}
			if name == "disk" && st.DiskBytes > 1<<20 {
				t.Errorf("%d bytes on disk", st.DiskBytes)
			}
			files, err := filepath.Glob(filepath.Join(s.dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			if want := 2*st.Segments - 1; len(files) != want {
				t.Errorf("%d files for %d segments", len(files), st.Segments)
			}
		})
	}
}

func TestATraceThatLostSpansIsNotShown(t *testing.T) {
	s := open(t, t.TempDir(), WithDiskBytes(1<<20))
	add(t, s, testSpan{trace: 255, span: 1, service: "a", name: "early"})
	r := rand.New(rand.NewPCG(7, 8))
	for s.Stats().Segments < 3 {
		add(t, s, randomSpans(r, 40)...)
	}
	add(t, s, testSpan{trace: 255, span: 2, service: "a", name: "late"})
	if got := spanNames(t, s, 255); len(got) != 2 {
		t.Fatal(got)
	}
	for s.Stats().DroppedSegments == 0 {
		add(t, s, randomSpans(r, 40)...)
	}
	if got := spanNames(t, s, 255); got != nil {
		t.Errorf("shown in part: %v", got)
	}
}

func TestAnIdleStoreForgetsByAge(t *testing.T) {
	now := epoch
	s := open(t, t.TempDir(), WithRetention(time.Minute), WithClock(func() time.Time { return now }))
	add(t, s, testSpan{trace: 1, span: 1, service: "a", name: "x"})
	now = now.Add(2 * time.Minute)
	s.Expire()
	if got := s.Services(); len(got) != 0 {
		t.Errorf("still there: %v", got)
	}
}

// Whatever a segment file holds, Open returns a store that works.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir)
	add(f, s, testSpan{trace: 1, span: 1, service: "a", name: "x", attributes: map[string]string{"k": "v"}})
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	segment, err := os.ReadFile(segmentPath(dir, 1))
	if err != nil {
		f.Fatal(err)
	}
	index, err := os.ReadFile(indexPath(segmentPath(dir, 1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(segment, index)
	f.Add(segment[:len(segment)/2], index)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, segment, index []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(segmentPath(dir, 1), segment, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(indexPath(segmentPath(dir, 1)), index, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		ids, err := s.FindIDs(t.Context(), Query{Attributes: map[string]string{"k": "v"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if _, err := s.Trace(t.Context(), id); err != nil && !errors.Is(err, ErrNotFound) {
				t.Log(err) // a damaged record is an error, never a panic
			}
		}
		add(t, s, testSpan{trace: 9, span: 1, service: "n", name: "new"})
		if got := spanNames(t, s, 9); len(got) != 1 {
			t.Errorf("cannot be used: %v", got)
		}
	})
}

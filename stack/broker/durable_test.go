package broker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copied returns a copy of the data of a running broker, as a crash would leave it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// damage appends part of an entry to each file that grows.
func damage(t *testing.T, dir string) {
	t.Helper()
	damaged := 0
	for _, pattern := range []string{"*.log", "partitions/*/*.dat", "partitions/*/*.idx"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("\x40\x00\x00\x00half an entry"); err != nil {
				t.Fatal(err)
			}
			f.Close()
			damaged++
		}
	}
	if damaged < 4 {
		t.Fatalf("%d files: the layout has changed", damaged)
	}
}

// A power cut leaves parts of entries, and takes neither records nor offsets that were
// acknowledged: not at the first restart after it, and not at the second.
func TestAcknowledgedSurvivesPowerCuts(t *testing.T) {
	dir := t.TempDir()
	_, address := open(t, dir, "orders.placed")
	produce(t, address, "0")
	want := 1 // next record to consume
	for n := 1; n <= 3; n++ {
		produce(t, address, fmt.Sprint(n))
		if got := consume(t, address, 1); !slices.Equal(got, []string{fmt.Sprint(want - 1)}) {
			t.Fatalf("after %d power cuts: consumed %v, want record %d", n-1, got, want-1)
		}
		want++
		dir = copied(t, dir)
		damage(t, dir)
		_, address = open(t, dir, "orders.placed")
	}
	if got := consume(t, address, 1); !slices.Equal(got, []string{"3"}) {
		t.Errorf("consumed %v", got)
	}
	c := client(t, address, kgo.ConsumeTopics("orders.placed"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	var all []string
	for len(all) < 4 {
		fetches := c.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, string(r.Value)) })
	}
	if !slices.Equal(all, []string{"0", "1", "2", "3"}) {
		t.Errorf("the topic has %v", all)
	}
}

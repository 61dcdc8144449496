package flight

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// threads holds what the kernel says of each thread.
type threads map[string]threadTimes

type threadTimes struct {
	ran    time.Duration // on a processor
	waited time.Duration // ready to run: for a processor, or for the next period of a quota
}

// maxThreads bounds the threads that are read.
const maxThreads = 512

// readThreads reads the schedstat of the threads in a directory. The result is nil where
// there are none, as on other systems than Linux.
func readThreads(dir string) threads {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := threads{}
	for _, e := range entries[:min(len(entries), maxThreads)] {
		content, err := os.ReadFile(filepath.Join(dir, e.Name(), "schedstat"))
		f := bytes.Fields(content)
		if err != nil || len(f) < 2 {
			continue // it has ended
		}
		ran, err := strconv.ParseInt(string(f[0]), 10, 64)
		waited, err2 := strconv.ParseInt(string(f[1]), 10, 64)
		if err == nil && err2 == nil {
			out[e.Name()] = threadTimes{time.Duration(ran), time.Duration(waited)}
		}
	}
	return out
}

// since returns the growth of the times. The last times of a thread that has ended are
// lost.
func (t threads) since(dir string) (ran, waited time.Duration, ok bool) {
	now := readThreads(dir)
	for name, n := range now {
		old := t[name]
		if n.ran < old.ran { // the number of an ended thread was given to another
			old = threadTimes{}
		}
		ran += n.ran - old.ran
		waited += n.waited - old.waited
	}
	return ran, waited, len(t) > 0 && len(now) > 0
}

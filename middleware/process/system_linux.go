package process

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// system reads the files of the process and of its control group.
type system struct {
	proc   string // /proc/self
	root   string // /sys/fs/cgroup
	group  cgroup
	placed []byte // the contents of /proc/self/cgroup that group was found from
	buf    []byte // contents of one file

	threads map[string]uint64 // run delay by thread, in ns
	before  map[string]uint64 // memory of the next threads
	delay   uint64            // of all threads, also those that ended, in ns
}

func newSystem() *system {
	return newSystemIn("/proc/self", "/sys/fs/cgroup")
}

func newSystemIn(proc, root string) *system {
	return &system{proc: proc, root: root, buf: make([]byte, 4096), threads: map[string]uint64{}, before: map[string]uint64{}}
}

func (s *system) collect(to sink) {
	s.place()
	if s.addRunDelay() {
		to.value(runDelay, float64(s.delay)/1e9)
	}
	if n, ok := s.majorFaults(); ok {
		to.value(majorFaults, n, "major")
	}
	s.cpuQuota(to)
	s.memory(to)
	for _, resource := range []string{"cpu", "io", "memory"} {
		if us, ok := field(s.read(s.group.v2, resource+".pressure"), "some", "total="); ok {
			to.value(pressure, us/1e6, resource)
		}
	}
}

// place finds the control group, again if the process was moved to another.
func (s *system) place() {
	if now := s.read(s.proc, "cgroup"); !bytes.Equal(now, s.placed) {
		s.placed = bytes.Clone(now)
		s.group = findCgroup(string(now), s.root)
	}
}

// maxThreads bounds the threads whose files are read in one scrape.
const maxThreads = 512

// addRunDelay adds the growth of each thread's run delay, and reports whether the kernel
// has it. The delay of a thread that ends between two scrapes is lost from the last one on.
func (s *system) addRunDelay() bool {
	dir := filepath.Join(s.proc, "task")
	threads, err := names(dir)
	if err != nil {
		return false
	}
	known := false
	s.threads, s.before = s.before, s.threads
	clear(s.threads)
	for _, thread := range threads[:min(len(threads), maxThreads)] {
		_, delay, _ := bytes.Cut(s.read(dir, thread+"/schedstat"), []byte(" "))
		delay, _, _ = bytes.Cut(delay, []byte(" "))
		ns, err := strconv.ParseUint(string(delay), 10, 64)
		if err != nil {
			continue
		}
		known = true
		before := s.before[thread]
		if ns < before { // the number of an ended thread was given to another
			before = 0
		}
		s.delay += ns - before
		s.threads[thread] = ns
	}
	return known
}

// names returns the names in a directory, in its order.
func names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// majorFaults returns field 12 of stat. The second field, in parentheses, may contain
// spaces.
func (s *system) majorFaults() (float64, bool) {
	stat := s.read(s.proc, "stat")
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 10 {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(fields[9]), 64)
	return n, err == nil
}

func (s *system) cpuQuota(to sink) {
	dir, time, unit := s.group.v2, "throttled_usec", 1e6
	if s.group.cpu != "" {
		dir, time, unit = s.group.cpu, "throttled_time", 1e9
	}
	stat := s.read(dir, "cpu.stat")
	n, ok := field(stat, "nr_periods", "")
	if !ok || n == 0 { // without a quota
		return
	}
	to.value(periods, n)
	if n, ok := field(stat, "nr_throttled", ""); ok {
		to.value(throttledPeriods, n)
	}
	if n, ok := field(stat, time, ""); ok {
		to.value(throttledTime, n/unit)
	}
}

// noLimit is the least value of memory.limit_in_bytes that stands for no limit.
const noLimit = 1 << 60

func (s *system) memory(to sink) {
	g := s.group
	if g.memory != "" { // version 1
		limit, ok := number(s.read(g.memory, "memory.limit_in_bytes"))
		if usage, used := number(s.read(g.memory, "memory.usage_in_bytes")); ok && used && limit < noLimit {
			to.value(memoryLimit, limit)
			to.value(memoryUsage, usage)
		}
		if n, ok := number(s.read(g.memory, "memory.failcnt")); ok {
			to.value(memoryEvents, n, "max")
		}
		if n, ok := field(s.read(g.memory, "memory.oom_control"), "oom_kill", ""); ok {
			to.value(memoryEvents, n, "oom_kill")
		}
		return
	}
	if limit, ok := number(s.read(g.v2, "memory.max")); ok {
		to.value(memoryLimit, limit)
		if usage, ok := number(s.read(g.v2, "memory.current")); ok {
			to.value(memoryUsage, usage)
		}
	}
	events := s.read(g.v2, "memory.events")
	for _, e := range []string{"max", "oom_kill"} {
		if n, ok := field(events, e, ""); ok {
			to.value(memoryEvents, n, e)
		}
	}
}

// read returns the contents of a file, up to the size of the buffer, valid until the next
// read. It returns nil for a file that cannot be read, or without a directory. An os.File
// would also offer the descriptor to the poller, which has no use for these files.
func (s *system) read(dir, name string) []byte {
	if dir == "" {
		return nil
	}
	fd, err := uninterrupted(func() (int, error) { return syscall.Open(dir+"/"+name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil
	}
	defer func() { _ = syscall.Close(fd) }() // nothing was written
	n, err := uninterrupted(func() (int, error) { return syscall.Read(fd, s.buf) })
	if err != nil {
		return nil
	}
	return s.buf[:n]
}

// uninterrupted repeats a system call that a signal interrupted.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

// number returns the only number of a file; "max" is none.
func number(content []byte) (float64, bool) {
	v, err := strconv.ParseFloat(string(bytes.TrimSpace(content)), 64)
	return v, err == nil
}

// field returns the number after prefix in the line that begins with key.
func field(content []byte, key, prefix string) (float64, bool) {
	for line := range bytes.Lines(content) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != key {
			continue
		}
		for _, w := range words[1:] {
			if rest, ok := bytes.CutPrefix(w, []byte(prefix)); ok {
				return number(rest)
			}
		}
	}
	return 0, false
}

// cgroup holds the directories of the control group of a process. Those that cannot be
// found are "".
type cgroup struct{ v2, cpu, memory string }

// findCgroup finds the directories from the contents of /proc/self/cgroup. Within a
// container, the path in that file is often the host's; the container's group is then
// mounted at the root.
func findCgroup(content, root string) (g cgroup) {
	for line := range strings.Lines(content) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		path := parts[2]
		switch controllers := strings.Split(parts[1], ","); {
		case parts[1] == "":
			g.v2 = firstWith("cgroup.procs", root+path, root+"/unified"+path, root)
		case slices.Contains(controllers, "cpu"):
			g.cpu = firstWith("cpu.stat", root+"/cpu"+path, root+"/cpu,cpuacct"+path, root+"/cpu", root+"/cpu,cpuacct")
		case slices.Contains(controllers, "memory"):
			g.memory = firstWith("memory.usage_in_bytes", root+"/memory"+path, root+"/memory")
		}
	}
	return g
}

// firstWith returns the first directory that has a file.
func firstWith(file string, dirs ...string) string {
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, file)); err == nil {
			return filepath.Clean(d)
		}
	}
	return ""
}

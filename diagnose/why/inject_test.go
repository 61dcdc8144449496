package why_test

import (
	"hash/maphash"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tenhop/tenhop/diagnose/result"
)

// injector spends time in known ways and measures it by its own clock.
type injector struct {
	mu    sync.Mutex
	hold  chan hold
	jobs  chan job
	conn  net.Conn // sends what far asks for
	far   chan time.Duration
	file  *os.File
	live  []*node // keeps the collector busy
	turns turns
	spent sync.Map // kind to *atomic.Int64, in ns
}

type hold struct {
	d      time.Duration
	locked chan struct{}
}

type job struct {
	d    time.Duration
	done chan struct{}
}

func newInjector(t *testing.T) *injector {
	in := &injector{hold: make(chan hold), jobs: make(chan job), far: make(chan time.Duration)}
	ctx := t.Context()
	go func() {
		for {
			select {
			case h := <-in.hold:
				in.mu.Lock()
				close(h.locked)
				time.Sleep(h.d)
				in.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	go func() {
		for {
			select {
			case j := <-in.jobs:
				time.Sleep(j.d)
				close(j.done)
			case <-ctx.Done():
				return
			}
		}
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if in.conn, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.conn.Close(); peer.Close() })
	go func() {
		for {
			select {
			case d := <-in.far:
				time.Sleep(d)
				if _, err := peer.Write([]byte{1}); err != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	if in.file, err = os.Create(filepath.Join(t.TempDir(), "file")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.file.Close() })
	return in
}

// account adds time to a kind.
func (in *injector) account(kind string, d time.Duration) {
	v, _ := in.spent.LoadOrStore(kind, new(atomic.Int64))
	v.(*atomic.Int64).Add(d.Nanoseconds())
}

// shares returns the share of each kind, and forgets them.
func (in *injector) shares() map[string]float64 {
	out, sum := map[string]float64{}, 0.0
	in.spent.Range(func(kind, ns any) bool {
		out[kind.(string)] = float64(ns.(*atomic.Int64).Load())
		sum += out[kind.(string)]
		return true
	})
	for kind := range out {
		out[kind] /= sum
	}
	in.spent.Clear()
	return out
}

// causes are the ways to spend time.
var causes = map[string]func(*injector, time.Duration){
	"cpu":       (*injector).burn,
	"mutex":     (*injector).lock,
	"sleep":     (*injector).sleep,
	"timer":     (*injector).timer,
	"channel":   (*injector).channel,
	"wait":      (*injector).wait,
	"syscall":   (*injector).syscall,
	"disk":      (*injector).disk,
	"network":   (*injector).network,
	"goroutine": (*injector).spawned,
	"collect":   (*injector).collect,
}

// turns measures how long the loops that take turns on one processor run.
type turns struct {
	last   atomic.Int64
	runner atomic.Int64
	ran    [2]atomic.Int64 // by runner: a request or a hog
}

var epoch = time.Now()

// tick notes that a runner runs. The time since the last tick is of the last runner: when
// the kernel stops the thread, the scheduler takes the turn from who had it then.
func (t *turns) tick(runner int64) {
	now := time.Since(epoch).Nanoseconds()
	last, who := t.last.Swap(now), t.runner.Swap(runner)
	t.ran[who].Add(now - last)
}

//go:noinline
func (in *injector) burn(d time.Duration) {
	var block [2048]byte
	seed := maphash.MakeSeed()
	in.turns.tick(0)
	began, hogs := time.Now(), in.turns.ran[1].Load()
	starved := func() time.Duration { return time.Duration(in.turns.ran[1].Load() - hogs) }
	for time.Since(began)-starved() < d {
		block[0] = byte(maphash.Bytes(seed, block[:]))
		in.turns.tick(0)
	}
	in.account(result.OwnRunning, time.Since(began)-starved())
	in.account(result.OwnRunnable, starved())
}

//go:noinline
func (in *injector) lock(d time.Duration) {
	h := hold{d, make(chan struct{})}
	in.hold <- h
	<-h.locked
	began := time.Now()
	in.mu.Lock()
	in.account(result.OwnLock, time.Since(began))
	in.mu.Unlock()
}

func (in *injector) sleep(d time.Duration) {
	began := time.Now()
	time.Sleep(d)
	in.account(result.OwnSleep, time.Since(began))
}

// timer sleeps as a wait with a deadline does.
func (in *injector) timer(d time.Duration) {
	began := time.Now()
	select {
	case <-time.After(d):
	case <-in.hold:
	}
	in.account(result.OwnSleep, time.Since(began))
}

//go:noinline
func (in *injector) channel(d time.Duration) {
	j := job{d, make(chan struct{})}
	began := time.Now()
	in.jobs <- j
	<-j.done
	in.account(result.OwnChannel, time.Since(began))
}

// wait waits for a goroutine that another one has started.
func (in *injector) wait(d time.Duration) {
	var wg sync.WaitGroup
	wg.Add(1)
	j := job{d, make(chan struct{})}
	began := time.Now()
	in.jobs <- j
	context := make(chan struct{})
	go func() { // follows the worker
		defer wg.Done()
		<-j.done
		close(context)
	}()
	wg.Wait()
	in.account(result.OwnChannel, time.Since(began))
}

func (in *injector) syscall(d time.Duration) {
	began := time.Now()
	for left := d; left > 0; left = d - time.Since(began) { // the profiler's signal interrupts it
		_, _ = unix.Poll(nil, int((left+time.Millisecond-1)/time.Millisecond))
	}
	in.account(result.OwnSyscall, time.Since(began))
}

func (in *injector) disk(d time.Duration) {
	block := make([]byte, 256<<10)
	began := time.Now()
	for time.Since(began) < d {
		if _, err := in.file.WriteAt(block, 0); err != nil {
			panic(err)
		}
		if err := in.file.Sync(); err != nil {
			panic(err)
		}
	}
	in.account(result.OwnSyscall, time.Since(began))
}

func (in *injector) network(d time.Duration) {
	began := time.Now()
	in.far <- d
	if _, err := in.conn.Read(make([]byte, 1)); err != nil {
		panic(err)
	}
	in.account(result.OwnNetwork, time.Since(began))
}

// spawned burns in a goroutine of its own.
func (in *injector) spawned(d time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.burn(d)
	}()
	<-done
}

// node is an object that the collector has to scan.
type node struct {
	next *node
	_    [6]uintptr
}

// allocate makes garbage.
//
//go:noinline
func (in *injector) allocate(d time.Duration) {
	for i, began := 0, time.Now(); time.Since(began) < d; i++ {
		at := &in.live[i%len(in.live)]
		for range 8 {
			*at = &node{next: *at}
		}
		if i%(64*len(in.live)) < len(in.live) {
			*at = nil // the list was long enough
		}
	}
}

// charged returns the time that goroutines have collected on behalf of their allocations,
// as the runtime counts it at the end of each collection.
func charged() time.Duration {
	s := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"}}
	metrics.Read(s)
	return time.Duration(s[0].Value.Float64() * 1e9)
}

// collect waits for a whole collection.
//
//go:noinline
func (in *injector) collect(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
		at := time.Now()
		runtime.GC()
		in.account(result.OwnGC, time.Since(at))
	}
}

// hog runs until stop is closed and notes its progress.
func (in *injector) hog(stop chan struct{}) {
	var block [2048]byte
	seed := maphash.MakeSeed()
	for {
		select {
		case <-stop:
			return
		default:
			block[0] = byte(maphash.Bytes(seed, block[:]))
			in.turns.tick(1)
		}
	}
}

// fill makes a heap that takes a while to scan.
func (in *injector) fill(lists int) {
	in.live = make([]*node, lists)
	for i := range in.live {
		for range 500 {
			in.live[i] = &node{next: in.live[i]}
		}
	}
}

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Group runs children of this process and restarts those that crash. Create it
// with NewGroup and end it with Stop.
type Group struct {
	program  string
	logs     string
	logBytes int64
	notify   func(string)
	onChange func()

	lifeline *os.File // read end of a pipe, inherited by the children
	hold     *os.File // write end, held by this process only
	spawns   chan func()
	stopped  chan struct{}
	stopOnce sync.Once

	mu       sync.Mutex
	children []*child
}

// GroupConfig configures a Group.
type GroupConfig struct {
	Program  string       // executable; that of this process if empty
	Logs     string       // existing folder for NAME.jsonl and NAME.stderr
	LogBytes int64        // maximum size of each log file, of which one older generation is kept; DefaultLogBytes if 0
	Notify   func(string) // called with one line for each crash; may be nil
	OnChange func()       // called after a child has started or ended; may be nil
}

// DefaultLogBytes is the default maximum size of a log file.
const DefaultLogBytes = 64 << 20

// NewGroup returns an empty group.
func NewGroup(c GroupConfig) (*Group, error) {
	g := &Group{program: c.Program, logs: c.Logs, logBytes: c.LogBytes, notify: c.Notify, onChange: c.OnChange,
		spawns: make(chan func()), stopped: make(chan struct{})}
	if g.logBytes == 0 {
		g.logBytes = DefaultLogBytes
	}
	if g.program == "" {
		var err error
		if g.program, err = self(); err != nil {
			return nil, err
		}
	}
	var err error
	if g.lifeline, g.hold, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("open the children's lifeline: %w", err)
	}
	go g.spawner()
	return g, nil
}

// self returns the path of the running executable, on Linux even if the file was
// replaced since.
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// spawner starts processes on one thread that lives as long as the group: Linux
// sends the death signal when the thread that forked ends.
func (g *Group) spawner() {
	runtime.LockOSThread()
	for {
		select {
		case start := <-g.spawns:
			start()
		case <-g.stopped:
			// The thread must outlive the children. See Stop.
			for start := range g.spawns {
				start()
			}
			return
		}
	}
}

func (g *Group) spawn(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	g.spawns <- func() { result <- cmd.Start() }
	return <-result
}

// Start starts a child and restarts it when it crashes.
func (g *Group) Start(p Process) {
	c := &child{Process: p, group: g, done: make(chan struct{})}
	g.mu.Lock()
	g.children = append(g.children, c)
	g.mu.Unlock()
	go c.run()
}

// Progress counts the children that are ready.
type Progress struct {
	Ready, Total int
	Waiting      []string
}

const (
	readyEvery   = 50 * time.Millisecond
	readyTimeout = time.Second
)

// WaitReady waits until all children are ready or one of them has failed. It
// calls progress, unless it is nil, each time the number of ready children changes.
func (g *Group) WaitReady(ctx context.Context, progress func(Progress)) error {
	client := &http.Client{Timeout: readyTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	before := -1
	for {
		p, err := g.probe(ctx, client)
		if err != nil {
			return err
		}
		if p.Ready != before && progress != nil {
			progress(p)
		}
		before = p.Ready
		if p.Ready == p.Total {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %v: %w", p.Waiting, context.Cause(ctx))
		case <-time.After(readyEvery):
		}
	}
}

func (g *Group) probe(ctx context.Context, client *http.Client) (Progress, error) {
	children := g.all()
	var probing sync.WaitGroup
	for _, c := range children {
		if c.isReady() {
			continue
		}
		if err := c.failure(); err != nil {
			return Progress{}, err
		}
		probing.Go(func() {
			if c.pid() != 0 && (c.Ready == "" || answers(ctx, client, c.Ready)) {
				c.setReady()
			}
		})
	}
	probing.Wait()
	p := Progress{Total: len(children)}
	for _, c := range children {
		if c.isReady() {
			p.Ready++
		} else {
			p.Waiting = append(p.Waiting, c.Name)
		}
	}
	return p, nil
}

// answers reports whether a GET of url returns status 200.
func answers(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// PIDs returns the process ID of each running child.
func (g *Group) PIDs() map[string]int {
	pids := map[string]int{}
	for _, c := range g.all() {
		if pid := c.pid(); pid != 0 {
			pids[c.Name] = pid
		}
	}
	return pids
}

// Stop ends all children, stage by stage. It sends SIGTERM, and SIGKILL after
// grace or when ctx ends. It returns when all children have ended.
func (g *Group) Stop(ctx context.Context, grace time.Duration) error {
	var killed []error
	g.stopOnce.Do(func() {
		close(g.stopped)
		for stage := range stages {
			for _, name := range g.stopStage(ctx, stage, grace) {
				killed = append(killed, fmt.Errorf("%s did not end within %s and was killed", name, grace))
			}
		}
		g.hold.Close()
		g.lifeline.Close()
		close(g.spawns)
	})
	return errors.Join(killed...)
}

func (g *Group) stopStage(ctx context.Context, stage Stage, grace time.Duration) (killed []string) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	var those []*child
	for _, c := range g.all() {
		if c.Stage == stage {
			those = append(those, c)
			c.signal(syscall.SIGTERM)
		}
	}
	for _, c := range those {
		select {
		case <-c.done:
		case <-ctx.Done():
			select {
			case <-c.done:
				continue
			default:
			}
			c.signal(syscall.SIGKILL)
			<-c.done
			killed = append(killed, c.Name)
		}
	}
	return killed
}

func (g *Group) all() []*child {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*child(nil), g.children...)
}

func (g *Group) say(format string, args ...any) {
	if g.notify != nil {
		g.notify(fmt.Sprintf(format, args...))
	}
}

func (g *Group) changed() {
	if g.onChange != nil {
		g.onChange()
	}
}

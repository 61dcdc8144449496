package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one child as it is to be started.
type Process struct {
	Name    string
	Args    []string // of the program
	Env     []string // KEY=value, beside what the supervisor itself was given
	Sockets []Socket // handed over as LISTEN_FDS, in this order
	Ready   string   // URL that answers 200 once the child can work; none: ready when started
	Stage   Stage
}

// Stage orders the end: what comes first is stopped first, so that nothing
// loses what it depends on while it finishes its work.
type Stage int

// The stages.
const (
	StageLoad Stage = iota
	StageService
	StageStack
	stages
)

// Socket is a listening socket under the name that the child knows it by. The
// supervisor holds it as well, so that a child that is started again is found
// under the same address.
type Socket struct {
	Name     string
	Listener *net.TCPListener
}

const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// steadyAfter is how long a child has to live for its next crash to count
	// as the first.
	steadyAfter = 30 * time.Second
	// lastWords is how much of the error output a crash report may quote.
	lastWords = 4 << 10
)

// child is a Process over its restarts.
type child struct {
	Process
	group *Group
	done  chan struct{} // closed when the child is over for good

	mu       sync.Mutex
	cmd      *exec.Cmd
	stopping bool
	failed   error // why it ended before it was ready
	ready    bool
}

// run starts the child and starts it again after each crash until stop.
func (c *child) run() {
	defer close(c.done)
	backoff := firstBackoff
	for {
		began := time.Now()
		said := &tail{limit: lastWords}
		err := c.once(said)
		if c.isStopping() {
			return
		}
		why := strings.TrimSpace(describe(err) + lastLine(said.String()))
		if !c.isReady() {
			c.fail(fmt.Errorf("%s did not start: %s (its output is in %s)", c.Name, why, c.logPath()))
			return
		}
		if time.Since(began) > steadyAfter {
			backoff = firstBackoff
		}
		c.group.say("%s ended: %s; starting it again in %s", c.Name, why, backoff)
		select {
		case <-time.After(backoff):
		case <-c.group.stopped:
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// once runs the child to its end.
func (c *child) once(said *tail) error {
	out, err := openLog(c.logPath(), c.group.logBytes)
	if err != nil {
		return err
	}
	defer out.Close()
	errs, err := openLog(filepath.Join(c.group.logs, c.Name+".stderr"), c.group.logBytes)
	if err != nil {
		return err
	}
	defer errs.Close()
	cmd, err := c.command()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, both{errs, said}
	cmd.WaitDelay = 2 * time.Second
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return nil
	}
	err = c.group.spawn(cmd)
	if err == nil {
		c.cmd = cmd
	}
	c.mu.Unlock()
	for _, f := range cmd.ExtraFiles {
		if f != c.group.lifeline {
			f.Close()
		}
	}
	if err != nil {
		return err
	}
	c.group.changed()
	return cmd.Wait()
}

func (c *child) logPath() string { return filepath.Join(c.group.logs, c.Name+".jsonl") }

// childName is the first argument of every child.
const childName = "tenhop"

func (c *child) command() (*exec.Cmd, error) {
	cmd := exec.Command(c.group.program, c.Args...)
	cmd.Args[0] = childName
	var names []string
	for _, s := range c.Sockets {
		f, err := s.Listener.File()
		if err != nil {
			for _, opened := range cmd.ExtraFiles {
				opened.Close()
			}
			return nil, fmt.Errorf("hand over socket %s: %w", s.Name, err)
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		names = append(names, s.Name)
	}
	cmd.Env = append(environment(), c.Env...)
	if len(names) > 0 {
		cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	cmd.Env = append(cmd.Env, lifelineVariable+"="+strconv.Itoa(3+len(cmd.ExtraFiles)))
	cmd.ExtraFiles = append(cmd.ExtraFiles, c.group.lifeline)
	cmd.SysProcAttr = childAttributes()
	return cmd, nil
}

// environment is the supervisor's own without what belongs to one process.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", lifelineVariable:
		default:
			env = append(env, kv)
		}
	}
	return env
}

// signal sends sig to the child if it runs.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(sig) // it may have ended by itself
	}
}

func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return 0
	}
	return c.cmd.Process.Pid
}

func (c *child) isStopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

func (c *child) isReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

func (c *child) setReady() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = true
}

func (c *child) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = err
}

func (c *child) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// describe says how a process ended.
func describe(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "it left without an error"
	case errors.As(err, &exit):
		return exit.String()
	}
	return err.Error()
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	// A panic's first line says more than the end of its stack.
	if i := strings.Index(s, "panic: "); i >= 0 {
		s = s[i:]
		line, _, _ := strings.Cut(s, "\n")
		return ": " + line
	}
	return ": " + s[strings.LastIndexByte(s, '\n')+1:]
}

package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process configures a child.
type Process struct {
	Name    string
	Args    []string // arguments of the program
	Env     []string // KEY=value, in addition to the supervisor's environment
	Sockets []Socket // passed on in this order, as in sd_listen_fds(3)
	Ready   string   // URL that returns status 200 once the child is ready; ready when started if empty
	Stage   Stage
}

// Stage is a stage of the shutdown. Lower stages are stopped first, so that a process
// still has its dependencies while it finishes its work.
type Stage int

// The stages.
const (
	StageLoad Stage = iota
	StageService
	StageStack
	stages
)

const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 30 * time.Second
	// steadyAfter is the uptime after which a crash resets the backoff.
	steadyAfter = 30 * time.Second
	// lastWords is the number of bytes at the end of standard error that crash reports
	// contain.
	lastWords = 4 << 10
)

// child is a Process and its running instance, if any.
type child struct {
	Process
	group *Group
	done  chan struct{} // closed when the child will not run again

	mu       sync.Mutex
	cmd      *exec.Cmd // nil while it does not run
	stopping bool
	failed   error // set if it ended before it was ready
	ready    bool
}

// run runs the child and restarts it after each crash until the group stops.
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

// once starts the child and waits until it ends.
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
	err = cmd.Wait()
	c.mu.Lock()
	c.cmd = nil // the kernel may reuse its ID from now on
	c.mu.Unlock()
	c.group.changed()
	return err
}

func (c *child) logPath() string { return filepath.Join(c.group.logs, c.Name+".jsonl") }

// childName is argv[0] of every child.
const childName = "tenhop"

func (c *child) command() (*exec.Cmd, error) {
	cmd := exec.Command(c.group.program, c.Args...)
	cmd.Args[0] = childName
	var names []string
	for _, s := range c.Sockets {
		f, err := s.Conn.File()
		if err != nil {
			for _, opened := range cmd.ExtraFiles {
				opened.Close()
			}
			return nil, fmt.Errorf("pass on socket %s: %w", s.Name, err)
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

// environment returns the supervisor's environment without the variables that are
// meant for one process.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", lifelineVariable, "TENHOP_CONFIG": // Config.ConfigFile stands for the last
		default:
			env = append(env, kv)
		}
	}
	return env
}

// signal sends sig to the child if it runs and prevents further restarts.
func (c *child) signal(sig syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.cmd != nil {
		_ = c.cmd.Process.Signal(sig) // fails if it has ended
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

// describe returns how a process ended.
func describe(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
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
	// The first line of a panic is more useful than the end of its stack.
	if i := strings.Index(s, "panic: "); i >= 0 {
		s = s[i:]
		line, _, _ := strings.Cut(s, "\n")
		return ": " + line
	}
	return ": " + s[strings.LastIndexByte(s, '\n')+1:]
}

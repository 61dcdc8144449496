// Package supervisor runs the storefront and its stack as operating-system
// processes of one program. It opens their sockets and passes them on, writes
// their output to files of limited size, waits until they are ready, restarts
// those that crash and stops all of them together.
//
// No child outlives the supervisor, even if it is killed. On Linux the kernel signals
// the children. On every system each child watches a pipe whose other end only the
// supervisor holds open. The package needs a Unix system.
//
//	s, err := supervisor.Up(ctx, supervisor.Config{Out: os.Stdout, RPS: 20})
//	if err != nil {
//		return err
//	}
//	<-ctx.Done()
//	return s.Close(context.WithoutCancel(ctx))
package supervisor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tenhop/tenhop/services/runtime/discovery"
)

// Timeouts of the start and of a stage of the shutdown, and the interval of progress messages.
const (
	readyWithin = time.Minute
	grace       = 8 * time.Second
	sayEvery    = time.Second
)

// Supervisor is a running storefront with its stack. Create it with Up and end it
// with Close.
type Supervisor struct {
	plan  *plan
	dir   Dir
	group *Group
	out   io.Writer
	began time.Time
	hold  *Hold

	mu    sync.Mutex
	ready *time.Time
	over  bool
}

// Up starts the storefront, its stack and its shoppers and returns when all
// processes are ready. If it fails, or if ctx ends first, it leaves no process
// running. It returns a *ConfigError if cfg is invalid and a *HeldError if
// something runs in cfg.WorkDir already.
func Up(ctx context.Context, cfg Config) (*Supervisor, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	if err := checkConsul(ctx, cfg.Consul); err != nil {
		return nil, err
	}
	s := &Supervisor{out: cfg.Out, began: time.Now()}
	var err error
	if s.dir, err = In(cfg.WorkDir); err != nil {
		return nil, err
	}
	if err := s.dir.Make("data", "logs"); err != nil {
		return nil, err
	}
	if s.hold, err = s.dir.Hold(); err != nil {
		return nil, err
	}
	if s.plan, err = newPlan(cfg, s.dir, rand.Text()); err != nil {
		return nil, errors.Join(err, s.hold.Release())
	}
	s.group, err = NewGroup(GroupConfig{Program: cfg.Program, Logs: s.dir.Path("logs"), LogBytes: s.plan.disk.logFile,
		Notify: func(line string) { s.say("%s", line) }, OnChange: s.save})
	if err != nil {
		s.plan.close()
		return nil, errors.Join(err, s.hold.Release())
	}
	if err := s.start(ctx); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		return nil, errors.Join(err, s.Close(stop))
	}
	return s, nil
}

// checkConsul returns a *ConfigError if the agent at a URL does not answer.
func checkConsul(ctx context.Context, url string) error {
	if url == "" {
		return nil
	}
	agent, err := discovery.ConsulFromEnv(url)
	if err == nil {
		err = agent.Check(ctx)
	}
	if err != nil {
		return &ConfigError{"Consul", harmless(url), err.Error() + "; start an agent, for a try with consul agent -dev"}
	}
	return nil
}

func (s *Supervisor) start(ctx context.Context) error {
	for _, notice := range s.plan.notices {
		s.say("%s", notice)
	}
	s.say("%s", s.plan.disk)
	load := 0 // started when the others are ready
	for _, p := range s.plan.processes {
		if p.Stage == StageLoad {
			load++
		}
	}
	s.say("starting %d processes", len(s.plan.processes)-load)
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("timeout after %s; see the logs in %s", readyWithin, s.dir.Path("logs")))
	defer cancel()
	for _, p := range s.plan.processes {
		if p.Stage != StageLoad {
			s.group.Start(p)
		}
	}
	said := time.Now()
	err := s.group.WaitReady(ctx, func(p Progress) {
		if time.Since(said) > sayEvery && p.Ready < p.Total {
			said = time.Now()
			s.say("%d of %d ready; waiting for %s", p.Ready, p.Total, strings.Join(p.Waiting, ", "))
		}
	})
	if err != nil {
		return err
	}
	for _, p := range s.plan.processes {
		if p.Stage == StageLoad {
			s.group.Start(p)
		}
	}
	if err := s.group.WaitReady(ctx, nil); err != nil {
		return err
	}
	now := time.Now()
	s.mu.Lock()
	s.ready = &now
	s.mu.Unlock()
	s.save()
	s.say("ready in %.1f s", now.Sub(s.began).Seconds())
	return nil
}

// Endpoints returns the announced address of each endpoint, by its name in package
// endpoint.
func (s *Supervisor) Endpoints() map[string]string { return s.plan.endpoints }

// Close stops the shoppers, then the services and then the stack, which thus
// receives the last telemetry of the services. When ctx ends, Close kills the
// processes that still run. It returns when no child is left.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	err := s.group.Stop(ctx, grace)
	s.plan.close()
	return errors.Join(err, s.hold.Release())
}

// supervisorName is the name of the supervisor's own process in up.json.
const supervisorName = "supervisor"

// save writes up.json.
func (s *Supervisor) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	pids := s.group.PIDs()
	pids[supervisorName] = os.Getpid()
	err := s.hold.Announce(State{Endpoints: s.plan.endpoints, PIDs: pids, Token: s.plan.token, Admin: s.plan.admin,
		Addresses: s.plan.addresses, Services: s.plan.instances, StartedAt: s.began, ReadyAt: s.ready})
	if err != nil {
		fmt.Fprintf(s.out, "write %s: %v; other commands will not find this storefront\n", s.dir.Path("up.json"), err)
	}
}

func (s *Supervisor) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

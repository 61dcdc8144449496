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
)

// Times that bound a start and a stop.
const (
	readyWithin = time.Minute
	grace       = 8 * time.Second
	sayEvery    = time.Second
)

// Supervisor is everything that `tenhop up` runs. Create it with Up and end it
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

// Up starts the storefront, its stack and its shoppers and returns when all are
// ready. If that fails, or ctx ends before, nothing is left running.
func Up(ctx context.Context, cfg Config) (*Supervisor, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Out == nil {
		cfg.Out = io.Discard
	}
	s := &Supervisor{out: cfg.Out, began: time.Now()}
	var err error
	if s.dir, err = In(cfg.WorkDir); err != nil {
		return nil, err
	}
	if err := s.dir.make("data", "logs"); err != nil {
		return nil, err
	}
	if s.hold, err = s.dir.Hold(); err != nil {
		return nil, err
	}
	if s.plan, err = newPlan(cfg, s.dir, rand.Text()); err != nil {
		return nil, errors.Join(err, s.hold.Release())
	}
	s.group, err = NewGroup(GroupConfig{Program: cfg.Program, Logs: s.dir.Path("logs"), LogBytes: cfg.Limits.LogFile,
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

func (s *Supervisor) start(ctx context.Context) error {
	for _, notice := range s.plan.notices {
		s.say("%s", notice)
	}
	s.say("starting %d processes", len(s.plan.processes))
	ctx, cancel := context.WithTimeoutCause(ctx, readyWithin, fmt.Errorf("not within %s; their output is in %s", readyWithin, s.dir.Path("logs")))
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

// Endpoints returns where everything is.
func (s *Supervisor) Endpoints() map[string]string { return s.plan.endpoints }

// Close stops everything: the shoppers first, the stack last, so that what the
// services say at their end still arrives. When ctx ends, what still runs is
// killed. It returns when no child is left.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	err := s.group.Stop(ctx, grace)
	s.plan.close()
	return errors.Join(err, s.hold.Release())
}

// supervisorName is this process among the PIDs of up.json.
const supervisorName = "supervisor"

// save writes up.json as things are now.
func (s *Supervisor) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	pids := s.group.PIDs()
	pids[supervisorName] = os.Getpid()
	err := s.hold.Announce(State{Endpoints: s.plan.endpoints, PIDs: pids, Token: s.plan.token, Admin: s.plan.admin,
		Services: s.plan.instances, StartedAt: s.began, ReadyAt: s.ready})
	if err != nil {
		fmt.Fprintf(s.out, "%s was not written: %v; other commands will not find this storefront\n", s.dir.Path("up.json"), err)
	}
}

func (s *Supervisor) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// labels names the endpoints for people, in the order of the table.
var labels = [][2]string{
	{"storefront", gateway}, {"console", "console"}, {"Jaeger API", "jaeger"}, {"Prometheus", "prometheus"}, {"Loki API", "loki"},
	{"OTLP gRPC", "otlp_grpc"}, {"OTLP HTTP", "otlp_http"}, {"Kafka", "kafka"}, {"Redis", "redis"},
}

// Endpoint is an address by its name in up.json.
func (s *Supervisor) Endpoint(name string) string { return s.plan.endpoints[name] }

// Table lists the addresses for people.
func (s *Supervisor) Table() string {
	var b strings.Builder
	for _, l := range labels {
		if address := s.plan.endpoints[l[1]]; address != "" {
			fmt.Fprintf(&b, "  %-12s %s\n", l[0], address)
		}
	}
	return b.String()
}

func envSet(name string) bool { _, ok := os.LookupEnv(name); return ok }

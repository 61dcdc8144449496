//go:build linux

package outside

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tenhop/tenhop/internal/uptest"
	_ "modernc.org/sqlite" // the stores' driver
)

// background runs f until the returned function is called or ctx ends.
func background(ctx context.Context, f func(context.Context)) func() {
	ctx, cancel := context.WithCancel(ctx)
	var g sync.WaitGroup
	g.Go(func() { f(ctx) })
	return func() {
		cancel()
		g.Wait()
	}
}

// lockStore takes a service's write lock for held, again and again.
func (s *shop) lockStore(ctx context.Context, service string, held, free time.Duration) (func(), error) {
	db, err := sql.Open("sqlite", "file:"+s.state.Path("data", service+".db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	stop := background(ctx, func(ctx context.Context) {
		for uptest.Sleep(ctx, held) {
			_, _ = db.Exec("ROLLBACK")
			if !uptest.Sleep(ctx, free) {
				return
			}
			_, _ = db.Exec("BEGIN IMMEDIATE")
		}
	})
	return func() {
		stop()
		_, _ = db.Exec("ROLLBACK") // may have been done
		_ = db.Close()
	}, nil
}

// stopAtTimes stops a process for stopped and lets it run for running, again and again.
func (s *shop) stopAtTimes(ctx context.Context, name string, stopped, running time.Duration) (func(), error) {
	pids, err := s.pids(name)
	if err != nil {
		return nil, err
	}
	all := func(signal syscall.Signal) (err error) {
		for _, pid := range pids {
			err = errors.Join(err, syscall.Kill(pid, signal))
		}
		return err
	}
	if err := all(syscall.SIGSTOP); err != nil {
		return nil, errors.Join(err, all(syscall.SIGCONT))
	}
	end := background(ctx, func(ctx context.Context) {
		for uptest.Sleep(ctx, stopped) {
			_ = all(syscall.SIGCONT)
			if !uptest.Sleep(ctx, running) {
				return
			}
			_ = all(syscall.SIGSTOP)
		}
	})
	return func() {
		end()
		_ = all(syscall.SIGCONT)
	}, nil
}

// killAtTimes kills a process, which the supervisor starts again, at intervals.
func (s *shop) killAtTimes(ctx context.Context, process string, every time.Duration) (func(), error) {
	pid, err := s.pid(process)
	if err != nil {
		return nil, err
	}
	return background(ctx, func(ctx context.Context) {
		for {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			if !uptest.Sleep(ctx, every) {
				return
			}
			if again, err := s.pid(process); err == nil {
				pid = again
			}
		}
	}), nil
}

// cgroup adds a process to a new cgroup of a controller with one limit.
func cgroup(controller, name string, pid int, limits map[string]string) (func(), error) {
	dir := filepath.Join("/sys/fs/cgroup", controller, "tenhop-outside-"+name+"-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("needs root and cgroup v1: %w", err)
	}
	lift := func() {
		if procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs")); err == nil {
			for _, p := range fields(procs) {
				_ = os.WriteFile(filepath.Join("/sys/fs/cgroup", controller, "cgroup.procs"), []byte(p), 0)
			}
		}
		_ = os.Remove(dir)
	}
	for file, value := range limits {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(value), 0); err != nil {
			lift()
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		lift()
		return nil, err
	}
	return lift, nil
}

// quota limits a process to permille of one core.
func (s *shop) quota(process string, permille int) (func(), error) {
	pid, err := s.pid(process)
	if err != nil {
		return nil, err
	}
	const least = 1000                                       // microseconds, the smallest quota of the kernel
	period := max(100_000, (1000*least+permille-1)/permille) // microseconds
	return cgroup("cpu", process, pid, map[string]string{"cpu.cfs_period_us": strconv.Itoa(period), "cpu.cfs_quota_us": strconv.Itoa(period * permille / 1000)})
}

// memoryLimit puts a process into a group of processes with little memory, most of which
// another has taken, so that the kernel kills the process once it needs another page. The one
// that replaces it joins the group again. It returns when the kernel has killed for the first time.
func (s *shop) memoryLimit(ctx context.Context, process string) (func(), error) {
	pid, err := s.pid(process)
	if err != nil {
		return nil, err
	}
	const limit, taken, step = 32 << 20, 31 << 20, 64 << 10 // bytes
	left := limit
	dir := filepath.Join("/sys/fs/cgroup/memory", "tenhop-outside-"+process+"-"+strconv.Itoa(os.Getpid()))
	procs := filepath.Join(dir, "cgroup.procs")
	hog := exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf("echo $$ >%s && echo -1000 >/proc/$$/oom_score_adj && (head -c %d /dev/zero; exec sleep 600) | tail -c %d >/dev/null", procs, taken, taken))
	hog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lift, err := cgroup("memory", process, pid, map[string]string{"memory.limit_in_bytes": strconv.Itoa(limit), "memory.swappiness": "0"})
	if err != nil {
		return nil, err
	}
	if err := hog.Start(); err != nil {
		lift()
		return nil, err
	}
	killed := make(chan struct{})
	first := sync.OnceFunc(func() { close(killed) })
	stop := background(ctx, func(ctx context.Context) {
		for uptest.Sleep(ctx, 500*time.Millisecond) {
			if syscall.Kill(pid, 0) != nil {
				first()
			}
			if again, err := s.pid(process); err == nil && again != pid {
				first()
				pid = again
				_ = os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0)
			}
			// A process that needs no page is not killed: nothing is left for it to reuse. The kernel
			// refuses a limit below what is in use.
			if os.WriteFile(filepath.Join(dir, "memory.limit_in_bytes"), []byte(strconv.Itoa(left-step)), 0) == nil {
				left -= step
			}
		}
	})
	end := func() {
		stop()
		_ = syscall.Kill(-hog.Process.Pid, syscall.SIGKILL)
		_ = hog.Wait()
		lift()
	}
	select {
	case <-killed:
		return end, nil
	case <-time.After(time.Minute):
		end()
		return nil, fmt.Errorf("the kernel has not killed %s for memory within a minute", process)
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	}
}

// collect makes a process collect its garbage without pause, through its profiles.
func (s *shop) collect(ctx context.Context, process string) (func(), error) {
	admin := s.Admin[process]
	if admin == "" {
		return nil, fmt.Errorf("%s has no admin port", process)
	}
	return background(ctx, func(ctx context.Context) {
		var g sync.WaitGroup
		for range 4 {
			g.Go(func() {
				for ctx.Err() == nil {
					req, err := http.NewRequestWithContext(ctx, http.MethodGet, admin+"/debug/pprof/heap?gc=1", nil)
					if err != nil {
						return
					}
					req.Header.Set("Authorization", "Bearer "+s.Token)
					if resp, err := http.DefaultClient.Do(req); err == nil {
						resp.Body.Close()
					} else {
						uptest.Sleep(ctx, 100*time.Millisecond)
					}
				}
			})
		}
		g.Wait()
	}), nil
}

// busyRedis keeps Redis busy for about half of the time, with commands during which it
// serves no other client.
func (s *shop) busyRedis(ctx context.Context) (func(), error) {
	client := redis.NewClient(&redis.Options{Addr: s.Endpoints["redis"], ReadTimeout: 10 * time.Second})
	const many, none = "outside:many", "outside:none"
	members := make([]any, 20_000)
	for i := range members {
		members[i] = i
	}
	if err := client.SAdd(ctx, many, members...).Err(); err != nil {
		return nil, errors.Join(err, client.Close())
	}
	// The time grows with the number of sets whose members are removed from the first.
	took := func(n int) (time.Duration, error) {
		keys := append(make([]string, 0, n+1), many)
		for range n {
			keys = append(keys, many)
		}
		began := time.Now()
		err := client.SDiffStore(ctx, none, keys...).Err()
		return time.Since(began), err
	}
	n := 20
	d, err := took(n)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	n = max(n, int(float64(n)*float64(200*time.Millisecond)/float64(d)))
	stop := background(ctx, func(ctx context.Context) {
		for uptest.Sleep(ctx, 200*time.Millisecond) {
			_, _ = took(n)
		}
	})
	return func() {
		stop()
		_ = client.Del(context.WithoutCancel(ctx), many, none).Err()
		_ = client.Close()
	}, nil
}

// hogs occupies n processors.
func hogs(ctx context.Context, n int) (func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	var all []*exec.Cmd
	stop := func() {
		cancel()
		for _, c := range all {
			_ = c.Wait()
		}
	}
	for range n {
		c := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		if err := c.Start(); err != nil {
			stop()
			return nil, err
		}
		all = append(all, c)
	}
	return stop, nil
}

package supervisor

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// Status is what runs in a directory, as `tenhop status --json` prints it.
type Status struct {
	Ready     bool              `json:"ready"`     // all are healthy
	RSSBytes  uint64            `json:"rss_bytes"` // of all processes listed
	Services  []ProcessStatus   `json:"services"`
	Parts     []ProcessStatus   `json:"parts"` // the stack, the shoppers and the supervisor
	Endpoints map[string]string `json:"endpoints"`
}

// ProcessStatus is one process.
type ProcessStatus struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // 0 while it is not running
	Healthy  bool   `json:"healthy"`
	RSSBytes uint64 `json:"rss_bytes"`
}

// statusWithin bounds how long a process may take to say how it is.
const statusWithin = 2 * time.Second

// Status asks every process how it is.
func (d Dir) Status(ctx context.Context) (Status, error) {
	state, err := d.Read()
	if err != nil {
		return Status{}, err
	}
	isService := map[string]bool{}
	for _, instances := range state.Services {
		for _, name := range instances {
			isService[name] = true
		}
	}
	names := map[string]bool{}
	for name := range state.PIDs {
		names[name] = true
	}
	for name := range state.Admin {
		names[name] = true
	}
	client := &http.Client{Timeout: statusWithin}
	out := Status{Ready: state.ReadyAt != nil, Endpoints: state.Endpoints, Services: []ProcessStatus{}, Parts: []ProcessStatus{}}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for name := range names {
		asking.Go(func() {
			p := look(ctx, client, name, state)
			mu.Lock()
			defer mu.Unlock()
			out.Ready = out.Ready && p.Healthy
			out.RSSBytes += p.RSSBytes
			if isService[name] {
				out.Services = append(out.Services, p)
			} else {
				out.Parts = append(out.Parts, p)
			}
		})
	}
	asking.Wait()
	byName := func(a, b ProcessStatus) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(out.Services, byName)
	slices.SortFunc(out.Parts, byName)
	return out, nil
}

func look(ctx context.Context, client *http.Client, name string, state State) ProcessStatus {
	p := ProcessStatus{Name: name, PID: state.PIDs[name]}
	if !alive(p.PID) {
		p.PID = 0
		return p
	}
	if proc, err := process.NewProcessWithContext(ctx, int32(p.PID)); err == nil {
		if m, err := proc.MemoryInfoWithContext(ctx); err == nil {
			p.RSSBytes = m.RSS
		}
	}
	admin := state.Admin[name]
	p.Healthy = admin == "" || answers(ctx, client, admin+"/readyz")
	return p
}

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

package supervisor

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/tenhop/tenhop/stack/endpoint"
)

// Status describes the processes of a working directory. Its JSON form is stable.
type Status struct {
	Ready     bool              `json:"ready"`     // all processes are healthy
	RSSBytes  uint64            `json:"rss_bytes"` // sum over Services and Parts: pages that processes share are counted for each
	PSSBytes  uint64            `json:"pss_bytes"` // sum over Services and Parts: pages that processes share are counted once
	Services  []ProcessStatus   `json:"services"`
	Parts     []ProcessStatus   `json:"parts"`     // stack, shoppers and supervisor
	Endpoints map[string]string `json:"endpoints"` // without passwords
}

// ProcessStatus describes one process.
type ProcessStatus struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // 0 if it is not running
	Healthy  bool   `json:"healthy"`
	RSSBytes uint64 `json:"rss_bytes"` // resident memory
	PSSBytes uint64 `json:"pss_bytes"` // resident memory, a shared page divided by the number of its processes; 0 where it is unknown (not Linux)
}

// statusTimeout is the timeout of a health check.
const statusTimeout = 2 * time.Second

// Status checks the health of every process. It fails with ErrNotRunning if
// nothing runs.
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
	client := &http.Client{Timeout: statusTimeout}
	out := Status{Ready: state.ReadyAt != nil, Endpoints: map[string]string{}, Services: []ProcessStatus{}, Parts: []ProcessStatus{}}
	for name, address := range state.Endpoints {
		out.Endpoints[name] = endpoint.Redacted(address)
	}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for name := range names {
		asking.Go(func() {
			p := look(ctx, client, name, state)
			mu.Lock()
			defer mu.Unlock()
			out.Ready = out.Ready && p.Healthy
			out.RSSBytes += p.RSSBytes
			out.PSSBytes += p.PSSBytes
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
	if !state.running(name) {
		p.PID = 0
		return p
	}
	if proc, err := process.NewProcessWithContext(ctx, int32(p.PID)); err == nil {
		if m, err := proc.MemoryInfoWithContext(ctx); err == nil {
			p.RSSBytes = m.RSS
		}
		if maps, err := proc.MemoryMapsWithContext(ctx, true); err == nil {
			for _, m := range *maps {
				p.PSSBytes += m.Pss << 10
			}
		}
	}
	admin := state.Admin[name]
	p.Healthy = admin == "" || answers(ctx, client, admin+"/readyz")
	return p
}

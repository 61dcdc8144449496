//go:build !linux

package supervisor

import (
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// childAttributes puts a child into a process group of its own, so that Ctrl-C
// reaches only the supervisor. The lifeline ends the child with the supervisor.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// startTime returns the time at which a process started, in milliseconds since
// the Unix epoch. With the pid it identifies a process.
func startTime(pid int) (uint64, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return 0, err
	}
	ms, err := p.CreateTime()
	return uint64(ms), err
}

// trim does nothing: it needs Linux's /proc.
func trim() error { return nil }

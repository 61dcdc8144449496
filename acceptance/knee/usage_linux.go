package knee

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// The groups of processes.
const (
	groupServices   = "services"
	groupBroker     = "broker"
	groupTelemetry  = "telemetry"
	groupSupervisor = "supervisor"
	groupLoad       = "load"
)

func groupOf(process string) string {
	switch process {
	case groupBroker, groupTelemetry, groupSupervisor:
		return process
	}
	return groupServices
}

// usage is the resources that processes used during a run.
type usage struct {
	cpu    map[string]time.Duration // by group
	others float64                  // share of the machine's cores that other programs used
	memory map[string]int64         // bytes resident at the end, by process
}

// clock is the kernel's USER_HZ.
const clock = 100

// cpuOf returns the processor time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err1)
	}
	return time.Duration(user+system) * time.Second / clock, nil
}

// machine returns the processor time that the machine has been busy, and in all.
func machine() (busy, all time.Duration, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, f := range strings.Fields(line)[1:] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		d := time.Duration(n) * time.Second / clock
		if i >= 8 { // guest time is part of user time
			break
		}
		all += d
		if i != 3 && i != 4 { // idle, iowait
			busy += d
		}
	}
	return busy, all, nil
}

// memoryOf returns the resident memory of a process in bytes.
func memoryOf(pid int) (int64, error) {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm has %d fields", pid, len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// meter measures the usage of processes from its start.
type meter struct {
	pids      map[string]int
	cpu       map[string]time.Duration
	busy, all time.Duration
}

func newMeter(pids map[string]int) (*meter, error) {
	m := &meter{pids: pids, cpu: map[string]time.Duration{}}
	for name, pid := range pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return nil, err
		}
		m.cpu[name] = cpu
	}
	var err error
	m.busy, m.all, err = machine()
	return m, err
}

// read returns the usage since the start, with the processor time of the load.
func (m *meter) read(load time.Duration) (usage, error) {
	busy, all, err := machine()
	if err != nil {
		return usage{}, err
	}
	u := usage{cpu: map[string]time.Duration{groupLoad: load}, memory: map[string]int64{}}
	ours := load
	for name, pid := range m.pids {
		cpu, err := cpuOf(pid)
		if err != nil {
			return usage{}, err
		}
		u.cpu[groupOf(name)] += cpu - m.cpu[name]
		ours += cpu - m.cpu[name]
		if u.memory[name], err = memoryOf(pid); err != nil {
			return usage{}, err
		}
	}
	u.others = max(0, float64(busy-m.busy-ours)/float64(all-m.all))
	return u, nil
}

package supervisor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DefaultDiskBytes is the default of Limits.Disk.
const DefaultDiskBytes = 4 << 30

// minShareBytes is the least that a part works with.
const minShareBytes = 16 << 20

// diskShares divides Limits.Disk.
type diskShares struct {
	traces, metrics, logs, broker int64
	logFiles, logFile             int64 // all log files of the processes, and one of them
}

// logFilesPerProcess counts the files of a process's standard output and error, and one
// older file of each.
const logFilesPerProcess = 4

// shares divides the disk space between the parts. A part with a limit of its own has that;
// the others divide what is left.
func (l Limits) shares(processes int) (diskShares, error) {
	total := l.Disk
	if total == 0 {
		total = DefaultDiskBytes
	}
	files := int64(logFilesPerProcess * processes)
	var s diskShares
	parts := []struct {
		share  *int64
		own    int64
		weight int64
	}{
		{&s.traces, l.TraceDisk, 2}, {&s.metrics, l.MetricDisk, 2}, {&s.broker, l.BrokerDisk, 2},
		{&s.logs, l.LogDisk, 1}, {&s.logFiles, l.LogFile * files, 1},
	}
	left, weights := total, int64(0)
	for _, p := range parts {
		*p.share = p.own
		left -= p.own
		if p.own == 0 {
			weights += p.weight
		}
	}
	for _, p := range parts {
		if p.own == 0 {
			*p.share = left / weights * p.weight
		}
		if left < 0 || (p.own == 0 && *p.share < minShareBytes) {
			return s, &ConfigError{"Disk", sizeText(total), "is too small for traces, metrics, logs and broker with their own limits; each needs at least " + sizeText(minShareBytes)}
		}
	}
	s.logFile = s.logFiles / files
	return s, nil
}

// String describes the shares for a terminal.
func (s diskShares) String() string {
	total := s.traces + s.metrics + s.logs + s.broker + s.logFiles
	return fmt.Sprintf("disk: at most %s for telemetry and messages: traces %s, metrics %s, received logs %s, log files %s, broker %s; not bounded: the services' stores, messages that no consumer has read",
		sizeText(total), sizeText(s.traces), sizeText(s.metrics), sizeText(s.logs), sizeText(s.logFiles), sizeText(s.broker))
}

// sizeText formats a size with a binary unit.
func sizeText(n int64) string {
	value, unit := float64(n)/(1<<20), "MiB"
	if value >= 1024 {
		value, unit = value/1024, "GiB"
	}
	return strings.TrimSuffix(strconv.FormatFloat(math.Round(value*10)/10, 'f', 1, 64), ".0") + unit
}

package supervisor

import "testing"

func TestSharesTakeNoMoreThanTheDisk(t *testing.T) {
	for _, c := range []struct {
		name   string
		limits Limits
		want   int64 // 0 is an error
	}{
		{"the default", Limits{}, DefaultDiskBytes},
		{"one number", Limits{Disk: 1 << 30}, 1 << 30},
		{"a part of its own", Limits{Disk: 1 << 30, TraceDisk: 600 << 20}, 1 << 30},
		{"a part that leaves nothing", Limits{Disk: 1 << 30, TraceDisk: 1 << 30}, 0},
		{"log files alone take more", Limits{Disk: 1 << 30, LogFile: 64 << 20}, 0},
		{"too small", Limits{Disk: 64 << 20}, 0},
	} {
		s, err := c.limits.shares(16)
		if c.want == 0 {
			if err == nil {
				t.Errorf("%s: %v", c.name, s)
			}
			continue
		}
		total := s.traces + s.metrics + s.logs + s.broker + s.logFiles
		if err != nil || total > c.want || total < c.want*99/100 || s.logFile*4*16 > s.logFiles {
			t.Errorf("%s: %+v, %v; want %d in all", c.name, s, err, c.want)
		}
	}
}

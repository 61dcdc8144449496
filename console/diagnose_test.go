package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPeriod diagnoses the part of a time range that is not in the future, and no other time.
func TestPeriod(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	midnight := now.Add(-10 * time.Hour)
	for _, c := range []struct {
		why      string
		from, to time.Time
		since    time.Duration
		end      time.Time // zero for now
		refused  string
	}{
		{"the past", now.Add(-2 * time.Hour), now.Add(-time.Hour), time.Hour, now.Add(-time.Hour), ""},
		{"until just now", now.Add(-time.Hour - 10*time.Second), now.Add(-10 * time.Second), time.Hour, time.Time{}, ""},
		{"the last 24 hours, asked a moment ago", now.Add(-24*time.Hour - time.Second), now.Add(-time.Second), 24 * time.Hour, time.Time{}, ""},
		{"today", midnight, midnight.Add(24*time.Hour - time.Millisecond), 10 * time.Hour, time.Time{}, ""},
		{"this week, from yesterday on", now.Add(-20 * time.Hour), now.Add(5 * 24 * time.Hour), 20 * time.Hour, time.Time{}, ""},
		{"a minute, and the future", now.Add(-time.Minute), now.Add(time.Hour), time.Minute, time.Time{}, ""},
		{"less than a minute, and the future", now.Add(-59 * time.Second), now.Add(time.Hour), 0, time.Time{}, "future"},
		{"the future", now.Add(time.Hour), now.Add(2 * time.Hour), 0, time.Time{}, "future"},
		{"more than a day, and the future", now.Add(-25 * time.Hour), now.Add(time.Hour), 0, time.Time{}, "1m to 24h"},
		{"more than a day", now.Add(-26 * time.Hour), now.Add(-time.Hour), 0, time.Time{}, "1m to 24h"},
		{"the wrong way round", now.Add(-time.Hour), now.Add(-2 * time.Hour), 0, time.Time{}, "1m to 24h"},
	} {
		since, end, err := period(c.from, c.to, now)
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v until %v, %v", c.why, since, end, err)
			}
			continue
		}
		if err != nil || since != c.since || !end.Equal(c.end) {
			t.Errorf("%s: %v until %v, %v, want %v until %v", c.why, since, end, err, c.since, c.end)
		}
	}
}

// TestDiagnoseOfTheFuture refuses a time range that has not begun.
func TestDiagnoseOfTheFuture(t *testing.T) {
	c := newConsole(t, newBackends(t), nil)
	at := func(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }
	w := do(c, "GET", fmt.Sprintf("/api/diagnose?from=%d&to=%d", at(time.Hour), at(2*time.Hour)), "")
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "future") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

package main

import (
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/collect"
)

func TestParseAt(t *testing.T) {
	var cfg collect.Config
	want := time.Date(2026, 11, 23, 10, 5, 0, 0, time.UTC)
	if err := parseAt("2026-11-23T11:05:00+01:00", &cfg); err != nil || !cfg.Now.Equal(want) {
		t.Errorf("now is %v, %v; want %v", cfg.Now, err, want)
	}
	for _, bad := range []string{"yesterday", "2026-11-23 10:05", time.Now().Add(time.Hour).Format(time.RFC3339)} {
		if err := parseAt(bad, &cfg); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tenhop/tenhop/diagnose/render"
	"github.com/tenhop/tenhop/diagnose/result"
)

// Bounds of the incidents read from files.
const (
	maxWatched     = 1000
	maxWatchedFile = 16 << 20
)

// WatchedIn returns a function for Config.Watched that reads the files which `tenhop watch`
// keeps in a directory, one per incident. Without the directory there are none. A file
// that cannot be read is left out.
func WatchedIn(dir string) func(context.Context, time.Time) ([]Watched, error) {
	return func(ctx context.Context, since time.Time) ([]Watched, error) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		out := []Watched{}
		for _, e := range entries {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if filepath.Ext(e.Name()) != ".json" || !e.Type().IsRegular() || len(out) >= maxWatched {
				continue
			}
			if w, ok := readWatched(filepath.Join(dir, e.Name()), since); ok {
				out = append(out, w)
			}
		}
		slices.SortFunc(out, func(a, b Watched) int { return moment(b.Began).Compare(moment(a.Began)) })
		return out, nil
	}
}

func readWatched(path string, since time.Time) (Watched, bool) {
	f, err := os.Open(path)
	if err != nil {
		return Watched{}, false
	}
	defer f.Close()
	return DecodeWatched(f, since)
}

// DecodeWatched reads an incident of `tenhop watch` as JSON. It reports false for one that
// nobody was told of, for one that was over before a time, and for another text.
func DecodeWatched(r io.Reader, since time.Time) (Watched, bool) {
	var i struct {
		ID, State        string
		Posted           bool
		Began, Paged     time.Time
		Named, Recovered *time.Time
		Alerted          *time.Time
		Alerts           map[string]*struct {
			Labels map[string]string `json:"labels"`
			Looked bool              `json:"looked"` // found by watch itself, without a rule
		}
		Diagnosis *result.Result
	}
	if json.NewDecoder(io.LimitReader(r, maxWatchedFile)).Decode(&i) != nil || i.ID == "" || i.Began.IsZero() && i.Paged.IsZero() {
		return Watched{}, false
	}
	if !i.Posted && i.State != "closed" || i.Recovered != nil && i.Recovered.Before(since) {
		return Watched{}, false
	}
	at := func(t *time.Time) string {
		if t == nil || t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	if i.Began.IsZero() {
		i.Began = i.Paged
	}
	w := Watched{ID: i.ID, Began: at(&i.Began), Paged: at(&i.Paged), Alerted: at(i.Alerted), Named: at(i.Named), Recovered: at(i.Recovered)}
	for _, a := range i.Alerts {
		switch {
		case a == nil:
		case a.Looked:
			w.looked = true
		default:
			w.Alerts = appendName(w.Alerts, a.Labels["alertname"])
		}
	}
	slices.Sort(w.Alerts)
	if r := i.Diagnosis; r != nil {
		w.Verdict, w.Says = r.Verdict, render.Verdict(*r)
		if len(r.Findings) > 0 {
			first := r.Findings[0]
			w.Hop, w.Operation = first.Hop, first.Operation
			if first.Cause != nil {
				w.Cause, w.Sure = first.Cause.Kind, first.Cause.Sure
			}
		}
	}
	return w, true
}

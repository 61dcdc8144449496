package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Archive reads the incidents that a Watcher has stored in a directory, while that runs or
// not. It may be used by several goroutines.
type Archive struct {
	dir string

	mu    sync.Mutex
	known map[string]stored // by file name
}

// stored is an incident as a file had it, or nil for a file that cannot be read.
type stored struct {
	size     int64
	modified time.Time
	incident *Incident
}

// NewArchive returns an Archive of the Config.Dir of a Watcher, which need not exist yet.
func NewArchive(dir string) *Archive { return &Archive{dir: dir, known: map[string]stored{}} }

// Incidents returns the incidents that were posted or are closed, newest first. They must
// not be changed. A file that cannot be read is left out.
func (a *Archive) Incidents(context.Context) ([]*Incident, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	names, err := filepath.Glob(filepath.Join(a.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	now := make(map[string]stored, len(names))
	var out []*Incident
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			continue // removed in the meantime
		}
		s, known := a.known[name]
		if !known || s.size != info.Size() || !s.modified.Equal(info.ModTime()) {
			if s.incident, err = read(name); err != nil { // said once, not at each scrape
				slog.Warn("incident left out", "error", err)
				s.incident = nil
			}
			s.size, s.modified = info.Size(), info.ModTime()
		}
		now[name] = s
		if s.incident != nil && s.incident.told() {
			out = append(out, s.incident)
		}
	}
	a.known = now
	slices.SortFunc(out, newest)
	return out, nil
}

// newest orders incidents, newest first.
func newest(a, b *Incident) int { return b.Paged.Compare(a.Paged) }

// told reports whether an incident belongs to the history.
func (i *Incident) told() bool { return i.Posted || i.State == Closed }

// read reads the file of an incident.
func read(name string) (*Incident, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), maxFile)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	i := &Incident{}
	if err := json.Unmarshal(content, i); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if i.ID != strings.TrimSuffix(filepath.Base(name), ".json") {
		return nil, fmt.Errorf("%s holds the incident %q", name, i.ID)
	}
	i.complete()
	return i, nil
}

// Remote reads the incidents of a `tenhop watch` elsewhere. It may be used by several
// goroutines.
type Remote struct {
	url, token string
	client     *http.Client

	mu     sync.Mutex // held while it asks, so that one history at a time is in memory
	asked  time.Time
	answer []*Incident
}

const (
	maxHistory = 64 << 20        // size of a history, in bytes
	remembered = 2 * time.Second // for which an answer is used again
)

// NewRemote returns a Remote that asks the Handler at a base URL, with a bearer token unless
// it is empty.
func NewRemote(base, token string) (*Remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q: must be a URL such as http://127.0.0.1:9099", base)
	}
	return &Remote{url: u.JoinPath("incidents").String(), token: token, client: &http.Client{Timeout: sendTimeout}}, nil
}

// Incidents returns the incidents that were posted or are closed, newest first, as they were
// 2 s ago at most. They must not be changed.
func (r *Remote) Incidents(ctx context.Context) ([]*Incident, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && time.Since(r.asked) < remembered {
		return r.answer, nil
	}
	r.asked, r.answer = time.Time{}, nil
	all, err := r.ask(ctx)
	if err == nil {
		r.asked, r.answer = time.Now(), all
	}
	return all, err
}

func (r *Remote) ask(ctx context.Context) ([]*Incident, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("tenhop watch does not answer: %w", plainError(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("tenhop watch answers %s", resp.Status)
	}
	var h History
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxHistory)).Decode(&h); err != nil {
		return nil, fmt.Errorf("the answer of tenhop watch cannot be read: %w", err)
	}
	h.Incidents = slices.DeleteFunc(h.Incidents, func(i *Incident) bool { return i == nil })
	for _, i := range h.Incidents {
		i.complete()
	}
	slices.SortFunc(h.Incidents, newest)
	return h.Incidents, nil
}

// ErrNoIncident reports that no incident has an ID.
var ErrNoIncident = errors.New("there is no such incident; the oldest ones are removed")

// NewHistory returns incidents with the means of their times.
func NewHistory(incidents []*Incident) History {
	h := History{Incidents: incidents}
	var paged, named, recovered mean
	for _, i := range incidents {
		paged.add(i.Began, &i.Paged)
		named.add(i.Began, i.Named)
		recovered.add(i.Began, i.Recovered)
	}
	h.MTTD, h.MTTN, h.MTTR = paged.value(), named.value(), recovered.value()
	return h
}

package promserver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

const (
	scrapePool   = "tenhop"
	watchTargets = 500 * time.Millisecond
)

// targetFile reads target groups from a JSON file in the format of file_sd.
type targetFile struct {
	path    string
	static  []*targetgroup.Group
	log     *slog.Logger
	updates chan map[string][]*targetgroup.Group
}

func newTargetFile(path string, static []StaticTarget, log *slog.Logger) *targetFile {
	t := &targetFile{path: path, log: log, updates: make(chan map[string][]*targetgroup.Group, 1)}
	for i, st := range static {
		set := model.LabelSet{}
		for k, v := range st.Labels {
			set[model.LabelName(k)] = model.LabelValue(v)
		}
		t.static = append(t.static, &targetgroup.Group{
			Source:  fmt.Sprintf("static/%d", i),
			Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(st.Address)}},
			Labels:  set,
		})
	}
	return t
}

// watch publishes the targets, and again when the content of the file changes. If
// the file does not parse, the current targets stay.
func (t *targetFile) watch(ctx context.Context) {
	defer close(t.updates)
	var last []byte
	var lastError string
	first := true
	tick := time.NewTicker(watchTargets)
	defer tick.Stop()
	for {
		content, groups, err := t.read()
		switch {
		case err != nil:
			if err.Error() != lastError {
				lastError = err.Error()
				t.log.Warn("targets file not loaded, the previous targets stay active", "path", t.path, "error", err)
			}
		case first || !bytes.Equal(content, last):
			first, last, lastError = false, content, ""
			select {
			case t.updates <- map[string][]*targetgroup.Group{scrapePool: append(groups, t.static...)}:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read returns the content of the file and its groups, or nil if it does not
// exist.
func (t *targetFile) read() ([]byte, []*targetgroup.Group, error) {
	if t.path == "" {
		return nil, nil, nil
	}
	content, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	groups, err := parseTargets(t.path, content)
	return content, groups, err
}

func parseTargets(path string, content []byte) ([]*targetgroup.Group, error) {
	var entries []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	if err := json.Unmarshal(content, &entries); err != nil {
		return nil, fmt.Errorf("not a list of targets: %w", err)
	}
	groups := make([]*targetgroup.Group, len(entries))
	for i, e := range entries {
		g := &targetgroup.Group{Source: fmt.Sprintf("%s/%d", path, i), Labels: model.LabelSet{}}
		for k, v := range e.Labels {
			if !model.UTF8Validation.IsValidLabelName(k) {
				return nil, fmt.Errorf("label name %q is not valid", k)
			}
			g.Labels[model.LabelName(k)] = model.LabelValue(v)
		}
		for _, address := range e.Targets {
			g.Targets = append(g.Targets, model.LabelSet{model.AddressLabel: model.LabelValue(address)})
		}
		groups[i] = g
	}
	return groups, nil
}

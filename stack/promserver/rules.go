package promserver

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const watchRulesEvery = 5 * time.Second

// ruleLoader loads rule files from an fs.FS, which Prometheus's loader cannot.
type ruleLoader struct {
	fsys   fs.FS
	parser parser.Parser
	log    *slog.Logger
	sum    uint64
}

// Load implements rules.GroupLoader.
func (l *ruleLoader) Load(name string, ignoreUnknownFields bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	content, err := fs.ReadFile(l.fsys, name)
	if err != nil {
		return nil, []error{err}
	}
	groups, errs := rulefmt.Parse(content, ignoreUnknownFields, scheme, l.parser, l.log)
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", name, err)
	}
	return groups, errs
}

// Parse implements rules.GroupLoader.
func (l *ruleLoader) Parse(query string) (parser.Expr, error) { return l.parser.ParseExpr(query) }

// files returns the names of the rule files and a hash of their contents.
func (l *ruleLoader) files() ([]string, uint64, error) {
	if l.fsys == nil {
		return nil, 0, nil
	}
	var names []string
	h := fnv.New64a()
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		content, err := fs.ReadFile(l.fsys, name)
		if err != nil {
			return err
		}
		_, _ = h.Write([]byte(name)) // a hash never fails
		_, _ = h.Write(content)
		names = append(names, name)
		return nil
	})
	return names, h.Sum64(), err
}

// updateRules loads the rule files if they have changed. If a file does not
// parse, it returns an error and keeps the current rules.
func (s *Server) updateRules() error {
	names, sum, err := s.ruleSrc.files()
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	if sum == s.ruleSrc.sum && len(s.rules.RuleGroups()) > 0 {
		return nil
	}
	for _, name := range names {
		if _, errs := s.ruleSrc.Load(name, false, model.UTF8Validation); len(errs) > 0 {
			return fmt.Errorf("load rules: %w", errors.Join(errs...))
		}
	}
	s.ruleSrc.sum = sum
	if err := s.rules.Update(s.evalEvery, names, labels.EmptyLabels(), s.external.String(), nil); err != nil {
		return fmt.Errorf("load rules: %w", err)
	}
	s.parsed.load(s.guarded.load(s.rules.RuleGroups()))
	return nil
}

func (s *Server) watchRules(ctx context.Context) {
	tick := time.NewTicker(watchRulesEvery)
	defer tick.Stop()
	var lastError string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.updateRules()
		if err != nil && err.Error() != lastError {
			s.log.Warn("rule files not loaded, the previous rules stay active", "error", err)
			lastError = err.Error()
		}
		if err == nil {
			lastError = ""
		}
	}
}

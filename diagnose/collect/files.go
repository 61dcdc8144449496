package collect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
	"github.com/tenhop/tenhop/trace/file"
)

// diagnoseFiles diagnoses what files of traces hold.
func (r *run) diagnoseFiles(ctx context.Context) (result.Result, error) {
	if r.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.cfg.Timeout, fmt.Errorf("the files could not be read within %s: %w", r.cfg.Timeout, context.DeadlineExceeded))
		defer cancel()
	}
	requests := sample.New()
	base, now := r.readFiles(ctx, r.cfg.Before, requests), r.readFiles(ctx, r.cfg.Traces, requests)
	if ctx.Err() != nil {
		return result.Result{}, context.Cause(ctx)
	}
	if now.traces == 0 || base.traces == 0 && len(r.cfg.Before) > 0 {
		return result.Result{}, r.nothingRead()
	}
	if len(r.cfg.Before) > 0 {
		r.opt.BaselineFrom, r.opt.BaselineTo = base.first, base.last
	}
	ev := diagnose.Evidence{Sample: requests}
	if len(r.cfg.Before) > 0 {
		at := time.Now()
		c := compare.Profiles(base.profile, now.profile)
		ev.Comparison = &c
		r.stage("compare", at)
		if now.first.Before(base.last) {
			r.files[0].Note = "these traces are not all earlier than those they are compared with: what each hop added is not told"
		}
	}
	return r.diagnoseSample(ev), nil
}

// fileTraces summarises the traces of the files of one time.
type fileTraces struct {
	profile     *compare.Profile // nil when there is nothing to compare with
	traces      int
	first, last time.Time // start of the first span, end of the last
}

func (p *fileTraces) add(t trace.Trace) {
	p.traces++
	if p.profile != nil {
		p.profile.Add(t, nil)
	}
	for i := range t.Spans {
		s := &t.Spans[i]
		if p.first.IsZero() || s.Start.Before(p.first) {
			p.first = s.Start
		}
		if end := s.Start.Add(s.Duration); end.After(p.last) {
			p.last = end
		}
	}
}

// readFiles reads files and adds their requests to a sample.
func (r *run) readFiles(ctx context.Context, paths []string, requests *sample.Sample) fileTraces {
	var p fileTraces
	if len(r.cfg.Before) > 0 {
		p.profile = compare.NewProfile()
	}
	for _, path := range paths {
		at, before := time.Now(), p.traces
		all := trace.NewAssembler(func(t trace.Trace) {
			requests.Add(t)
			p.add(t)
		})
		stats, err := file.Read(ctx, path, all.Add)
		all.Flush()
		src := result.Source{Name: "file", URL: path, OK: err == nil, Read: p.traces - before, TookMS: since(at)}
		if err != nil {
			src.Error = err.Error()
		}
		src.Note = leftOut(stats)
		r.files = append(r.files, src)
		r.stage("read", at)
	}
	return p
}

// leftOut returns what of a file was not used; empty for nothing.
func leftOut(s file.Stats) string {
	var out []string
	if s.Timeless > 0 {
		out = append(out, fmt.Sprintf("%d spans without a start were left out", s.Timeless))
	}
	if s.Skipped > 0 {
		out = append(out, fmt.Sprintf("%d records of other signals were skipped", s.Skipped))
	}
	return strings.Join(out, "; ")
}

// nothingRead returns the error of files that hold no trace.
func (r *run) nothingRead() error {
	all := []error{}
	for _, f := range r.files {
		if f.Error != "" {
			all = append(all, errors.New(f.Error))
		}
	}
	return errors.Join(append(all, errors.New("no traces were read"))...)
}

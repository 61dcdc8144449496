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
	base := r.readFiles(ctx, r.cfg.Before, requests)
	requests.EndBaseline()
	now := r.readFiles(ctx, r.cfg.Traces, requests)
	if ctx.Err() != nil {
		return result.Result{}, context.Cause(ctx)
	}
	if now.traces == 0 || base.traces == 0 && len(r.cfg.Before) > 0 {
		return result.Result{}, r.nothingRead()
	}
	if len(r.cfg.Before) == 0 {
		return r.diagnoseSample(ctx, diagnose.Evidence{Sample: requests}), nil
	}
	baseline, shift := requests.Join()
	r.opt.BaselineFrom, r.opt.BaselineTo = baseline.From, baseline.To
	at := time.Now()
	c := compare.Profiles(base.profile, now.profile)
	r.stage("compare", at)
	res := r.diagnoseSample(ctx, diagnose.Evidence{Sample: requests, Comparison: &c})
	if shift != 0 {
		res.Baseline = result.Range{From: res.Baseline.From.Add(-shift), To: res.Baseline.To.Add(-shift)}
		for i, p := range res.BaselineParts {
			res.BaselineParts[i] = result.Range{From: p.From.Add(-shift), To: p.To.Add(-shift)}
		}
	}
	return res, nil
}

// fileTraces summarises the traces of the files of one time.
type fileTraces struct {
	profile *compare.Profile // nil when there is nothing to compare with
	traces  int
}

func (p *fileTraces) add(t trace.Trace) {
	p.traces++
	if p.profile != nil {
		p.profile.Add(t, nil)
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

package collect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/arrival"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/few"
	"github.com/tenhop/tenhop/diagnose/growth"
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
	base := r.readFiles(ctx, r.cfg.Before, requests, nil)
	requests.EndBaseline()
	now := r.readFiles(ctx, r.cfg.Traces, requests, base.arrived)
	if ctx.Err() != nil {
		return result.Result{}, context.Cause(ctx)
	}
	if now.traces == 0 || base.traces == 0 && len(r.cfg.Before) > 0 {
		return result.Result{}, r.nothingRead()
	}
	if r.cfg.Canary.Service != "" {
		return r.canary(ctx, now.kept)
	}
	if len(r.cfg.Before) == 0 {
		res := r.diagnoseSample(ctx, diagnose.Evidence{Sample: requests})
		few.Describe(&res, base.few, now.few, false, r.cfg.Entry)
		return res, nil
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
	few.Describe(&res, base.few, now.few, true, r.cfg.Entry)
	if len(base.rounds) > 1 || len(now.rounds) > 1 { // one file of each shows no noise
		res.Growth = growth.Compare(base.rounds, now.rounds)
	}
	return res, nil
}

// fileTraces summarises the traces of the files of one time.
type fileTraces struct {
	profile *compare.Profile // nil when there is nothing to compare with
	traces  int
	arrived *arrival.Filter // of the last file
	few     few.Traces
	rounds  []growth.Round // one of each path, if there is something to compare with
	kept    []trace.Trace  // all of them, for the comparison of two versions
}

func (r *run) keep(p *fileTraces, t trace.Trace) {
	if p.profile != nil {
		p.profile.Add(t, nil)
		p.rounds[len(p.rounds)-1].Add(t)
	}
	if r.cfg.Canary.Service != "" {
		p.kept = append(p.kept, t)
	}
}

// readFiles reads files and adds their complete traces to a sample. ordinary is the
// filter of the files of an ordinary time, or nil.
func (r *run) readFiles(ctx context.Context, paths []string, requests *sample.Sample, ordinary *arrival.Filter) fileTraces {
	var p fileTraces
	if len(r.cfg.Before) > 0 {
		p.profile = compare.NewProfile()
	}
	for _, path := range paths {
		at, before := time.Now(), p.traces
		p.rounds = append(p.rounds, growth.Round{})
		p.arrived = arrival.New(ordinary, r.now.Add(time.Hour), func(t trace.Trace) {
			requests.Add(t)
			if r.cfg.Entry == "" || entryOf(t) == r.cfg.Entry {
				r.keep(&p, t)
			}
		})
		all := trace.NewAssembler(func(t trace.Trace) {
			p.traces++
			p.few.Add(t)
			r.stores.Add(&t)
			p.arrived.Add(t)
		})
		stats, err := file.Read(ctx, path, all.Add)
		all.Flush()
		p.arrived.Flush()
		r.incomplete += p.arrived.Incomplete()
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

// entryOf returns the operation of a trace's entry.
func entryOf(t trace.Trace) string {
	for _, e := range sample.Edges([]trace.Trace{t}) {
		return e.Operation
	}
	return ""
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

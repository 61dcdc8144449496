package collect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/diagnose/otlp"
	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/sample"
	"github.com/tenhop/tenhop/trace"
)

// diagnoseFiles diagnoses what files of traces hold.
func (r *run) diagnoseFiles(ctx context.Context) (result.Result, error) {
	requests := sample.New()
	base, now := r.readFiles(ctx, r.cfg.Before, requests), r.readFiles(ctx, r.cfg.Traces, requests)
	if err := ctx.Err(); err != nil {
		return result.Result{}, err
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

// pile holds the traces of the files of one time.
type pile struct {
	profile     *compare.Profile // nil when there is nothing to compare with
	traces      int
	first, last time.Time // start of the first span, end of the last
}

func (p *pile) add(t trace.Trace) {
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

// readFiles reads files into a pile and their requests into a sample.
func (r *run) readFiles(ctx context.Context, paths []string, requests *sample.Sample) pile {
	var p pile
	if len(r.cfg.Before) > 0 {
		p.profile = compare.NewProfile()
	}
	for _, path := range paths {
		at, before := time.Now(), p.traces
		all := trace.NewAssembler(func(t trace.Trace) {
			requests.Add(t)
			p.add(t)
		})
		stats, err := otlp.ReadFile(ctx, path, all.Add)
		all.Flush()
		src := result.Source{Name: "file", URL: path, OK: err == nil, Read: p.traces - before, TookMS: since(at)}
		if err != nil {
			src.Error = err.Error()
		}
		if stats.Timeless > 0 {
			src.Note = fmt.Sprintf("%d spans without a start were left out", stats.Timeless)
		}
		r.files = append(r.files, src)
		r.stage("read", at)
	}
	return p
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

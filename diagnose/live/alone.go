package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/otlp"
)

// files diagnoses what files of traces hold.
func (r *run) files(ctx context.Context) (diagnose.Result, error) {
	f := reader{book: diagnose.NewBook()}
	base, now := f.read(ctx, r, r.cfg.Before), f.read(ctx, r, r.cfg.Traces)
	if err := ctx.Err(); err != nil {
		return diagnose.Result{}, err
	}
	if now.traces == 0 || base.traces == 0 && len(r.cfg.Before) > 0 {
		return diagnose.Result{}, errors.Join(append(f.failed, errors.New("no traces were read"))...)
	}
	if len(r.cfg.Before) > 0 {
		r.opt.BaselineFrom, r.opt.BaselineTo = base.first, base.last
	}
	res := r.byBook(f.book)
	if len(r.cfg.Before) > 0 {
		at := time.Now()
		res.Judge(diagnose.Compare(base.profile, now.profile))
		r.stage("compare", at)
		if now.first.Before(base.last) {
			f.sources[0].Note = "these traces are not all earlier than those they are compared with: what each hop added is not told"
		}
	}
	res.Sources = f.sources
	return r.done(res), nil
}

// reader reads files of traces into one book.
type reader struct {
	book    *diagnose.Book
	sources []diagnose.Source
	failed  []error
}

// pile is what the files of one time hold.
type pile struct {
	profile     *diagnose.Profile // nil when there is nothing to compare with
	traces      int
	first, last time.Time // start of the first span, end of the last
}

func (p *pile) add(t diagnose.Trace) {
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

func (f *reader) read(ctx context.Context, r *run, paths []string) pile {
	var p pile
	if len(r.cfg.Before) > 0 {
		p.profile = diagnose.NewProfile()
	}
	for _, path := range paths {
		at, before := time.Now(), p.traces
		all := diagnose.NewAssembler(func(t diagnose.Trace) {
			f.book.Add(t)
			p.add(t)
		})
		stats, err := otlp.ReadFile(ctx, path, all.Add)
		all.Flush()
		src := diagnose.Source{Name: "file", URL: path, OK: err == nil, Read: p.traces - before, TookMS: since(at)}
		if err != nil {
			src.Error = err.Error()
			f.failed = append(f.failed, err)
		}
		if stats.Timeless > 0 {
			src.Note = fmt.Sprintf("%d spans without a start were left out", stats.Timeless)
		}
		f.sources = append(f.sources, src)
		r.stage("read", at)
	}
	return p
}

func (r *run) byBook(book *diagnose.Book) diagnose.Result {
	at := time.Now()
	res := book.Diagnose(r.opt)
	r.stage("split", at)
	at = time.Now()
	book.Explain(&res)
	r.stage("explain", at)
	return r.done(res)
}

// Traces that are read where there are no metrics: few of each service, to see
// what requests begin with, then of the busiest edges some in every slice of the
// time.
const (
	mostServices = 30
	perService   = 5
	mostEdges    = 3
	timeSlices   = 20
	mostTraces   = 400
)

// tracesAlone diagnoses a sample of the traces, for want of metrics.
func (r *run) tracesAlone(ctx context.Context) (diagnose.Result, error) {
	at := time.Now()
	book := diagnose.NewBook()
	err := r.spans.Ask(ctx, r.cfg.share(metricsShare), func(ctx context.Context) (int, error) {
		found, err := r.sample(ctx)
		for _, t := range found {
			book.Add(t)
		}
		return len(found), err
	})
	r.stage("sample", at)
	if n, _ := book.Traces(); n == 0 {
		return diagnose.Result{}, errors.Join(err, errors.New("no traces were found, and there are no metrics"))
	}
	return r.byBook(book), nil
}

func (r *run) sample(ctx context.Context) ([]diagnose.Trace, error) {
	services := make([]string, 0, len(r.foreign))
	for s := range r.foreign {
		services = append(services, s)
	}
	slices.Sort(services)
	first, err := each(ctx, len(services[:min(len(services), mostServices)]), func(ctx context.Context, i int) ([]diagnose.Trace, error) {
		return r.tracer.Traces(ctx, diagnose.Search{Service: services[i], From: r.start(), To: r.began, Limit: perService})
	})
	if err != nil {
		return nil, err
	}
	busiest := diagnose.Edges(first)
	if r.cfg.Entry != "" {
		busiest = slices.DeleteFunc(busiest, func(e diagnose.Entry) bool { return e.Operation != r.cfg.Entry })
	}
	busiest = busiest[:min(len(busiest), mostEdges)]
	if len(busiest) == 0 {
		return nil, nil
	}
	every := r.began.Sub(r.start()) / timeSlices
	return each(ctx, timeSlices*len(busiest), func(ctx context.Context, i int) ([]diagnose.Trace, error) {
		e, from := busiest[i/timeSlices], r.start().Add(time.Duration(i%timeSlices)*every)
		return r.tracer.Traces(ctx, diagnose.Search{Service: e.Service, Operation: e.Operation, From: from, To: from.Add(every),
			Limit: mostTraces / timeSlices / len(busiest)})
	})
}

// each asks n questions, a few at a time, and returns the answers together, each
// trace once.
func each(ctx context.Context, n int, question func(context.Context, int) ([]diagnose.Trace, error)) ([]diagnose.Trace, error) {
	answers := make([][]diagnose.Trace, n)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range n {
		g.Go(func() (err error) {
			answers[i], err = question(gctx, i)
			return err
		})
	}
	err := g.Wait()
	seen := map[string]bool{}
	var out []diagnose.Trace
	for _, t := range slices.Concat(answers...) {
		if !seen[t.ID] {
			seen[t.ID] = true
			out = append(out, t)
		}
	}
	return out, err
}

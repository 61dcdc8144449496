package promserver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

var errTooManySeries = errors.New("too many series: samples of new ones are refused")

// pushed is the database as the OTLP handler writes it. The handler rolls back all
// metrics of a request for one sample that cannot be stored. A pushed stores the others
// and notes those that it refuses in the outcome of the request's context.
type pushed struct {
	db  *tsdb.DB
	max uint64 // series
}

// outcome counts the samples of a request that were not stored.
type outcome struct {
	mu      sync.Mutex
	refused int   // samples
	reason  error // the first one
	commit  error // sending the request again may help
}

type outcomeKey struct{}

func (o *outcome) refuse(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused++; o.reason == nil {
		o.reason = err
	}
}

func (o *outcome) committed(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commit = errors.Join(o.commit, err)
}

// AppenderV2 implements storage.AppendableV2.
func (p *pushed) AppenderV2(ctx context.Context) storage.AppenderV2 {
	out, ok := ctx.Value(outcomeKey{}).(*outcome)
	if !ok {
		out = &outcome{}
	}
	return &pushAppender{AppenderV2: p.db.AppenderV2(ctx), head: p.db.Head(), max: p.max, out: out}
}

type pushAppender struct {
	storage.AppenderV2
	head *tsdb.Head
	max  uint64
	out  *outcome
}

// Append implements storage.AppenderV2. It returns no error for a sample that it refuses.
func (a *pushAppender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if ref == 0 && a.head.NumSeries() >= a.max && !a.known(ls) {
		a.out.refuse(errTooManySeries)
		return 0, nil
	}
	if err := ls.Validate(validUTF8); err != nil { // the database would store it
		a.out.refuse(err)
		return 0, nil
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	var partial *storage.AppendPartialError
	if err == nil || errors.As(err, &partial) { // the sample is stored, not all of its exemplars
		return ref, err
	}
	a.out.refuse(fmt.Errorf("%s: %w", ls.Get(model.MetricNameLabel), err))
	return 0, nil
}

func validUTF8(l labels.Label) error {
	if !utf8.ValidString(l.Value) || !utf8.ValidString(l.Name) {
		return fmt.Errorf("label %q is no UTF-8", l.Name)
	}
	return nil
}

func (a *pushAppender) known(ls labels.Labels) bool {
	g, ok := a.AppenderV2.(storage.GetRef)
	if !ok {
		return false
	}
	ref, _ := g.GetRef(ls, ls.Hash())
	return ref != 0
}

// Commit implements storage.AppenderTransaction.
func (a *pushAppender) Commit() error {
	err := a.AppenderV2.Commit()
	a.out.committed(err)
	return err
}

// Rollback implements storage.AppenderTransaction. The handler calls it when a metric of
// the request cannot be translated. The others are stored all the same: if the request
// was canceled, it is sent again, and equal samples are stored once.
func (a *pushAppender) Rollback() error { return a.Commit() }

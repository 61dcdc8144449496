package collect

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose"
	"github.com/tenhop/tenhop/diagnose/explain"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/loki"
)

const (
	logsShare = .1              // share of the timeout
	maxLines  = 1000            // of one query
	logMargin = 2 * time.Second // a line may be written before or after the span
)

// logQueries are the queries for the lines of traces in both forms that Loki stores:
// lines that contain the ID, and OTLP records with the ID in structured metadata.
var logQueries = []string{"{service_name=~`.+`} |~ `%s`", "{service_name=~`.+`} | trace_id =~ `%s`"}

// isTraceID matches an ID that needs no quotes in a query.
var isTraceID = regexp.MustCompile(`^[0-9A-Fa-f]{8,32}$`)

// readLogs asks Loki, if one is given, for the log lines of the traces that explain a
// diagnosis, and adds them. A failure is noted in the sources.
func (r *run) readLogs(ctx context.Context, d *diagnose.Diagnosis) {
	slow, ordinary := d.LogTraces()
	if r.cfg.Loki == "" || len(slow.IDs) == 0 {
		return
	}
	defer r.stage("logs", time.Now())
	r.logs = query.NewSource("loki", r.cfg.Loki)
	_ = r.logs.Ask(ctx, r.cfg.share(logsShare), func(ctx context.Context) (int, error) { // noted: quotes are an addition
		client, err := loki.New(r.cfg.Loki, r.cfg.Clients.Loki)
		if err != nil {
			return 0, err
		}
		var now, before []explain.LogLine
		var g errgroup.Group
		g.Go(func() (err error) {
			now, err = linesOf(ctx, client, slow)
			return err
		})
		g.Go(func() (err error) {
			before, err = linesOf(ctx, client, ordinary)
			return err
		})
		if err := g.Wait(); err != nil {
			return 0, err
		}
		d.AddLogs(now, before)
		return len(now) + len(before), nil
	})
}

// linesOf returns the log lines of traces, each once.
func linesOf(ctx context.Context, client *loki.Client, of diagnose.LogTraces) ([]explain.LogLine, error) {
	ids := slices.DeleteFunc(slices.Clone(of.IDs), func(id string) bool { return !isTraceID.MatchString(id) })
	if len(ids) == 0 {
		return nil, nil
	}
	var out []explain.LogLine
	seen := map[string]bool{}
	for _, q := range logQueries {
		streams, err := client.Lines(ctx, fmt.Sprintf(q, strings.Join(ids, "|")), of.From.Add(-logMargin), of.To.Add(logMargin), maxLines)
		if err != nil {
			return nil, err
		}
		for _, s := range streams {
			service := cmp.Or(s.Labels["service_name"], s.Labels["service"])
			for _, l := range s.Lines {
				at := slices.IndexFunc(ids, func(id string) bool { return s.Labels["trace_id"] == id || strings.Contains(l.Text, id) })
				key := strings.Join([]string{service, l.At.Format(time.RFC3339Nano), l.Text}, "\x00")
				if at < 0 || seen[key] {
					continue
				}
				seen[key] = true
				out = append(out, explain.LogLine{TraceID: ids[at], Service: service, Text: l.Text,
					Level: cmp.Or(s.Labels["severity_text"], s.Labels["level"], s.Labels["detected_level"])})
			}
		}
	}
	return out, nil
}

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tenhop/tenhop/dora"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/prometheus"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/watch"
)

// Delivery says where the evidence of the delivery metrics is.
type Delivery struct {
	Since   time.Duration
	Window  time.Duration // see dora.Input
	Metrics dora.Metrics  // Client may be nil
	Traces  query.Tracer  // asked if the metrics have no versions; may be nil

	// Incidents is the directory or the file of `tenhop watch`, or the URL of its history.
	Incidents string
	Token     string // bearer token of that URL

	Git map[string]string // directory by service; "" is that of all others
}

// Report reads the evidence and computes the figures.
func (d Delivery) Report(ctx context.Context) (dora.Report, error) {
	in := dora.Input{To: time.Now().Truncate(time.Second), Window: d.Window}
	in.From = in.To.Add(-d.Since)
	var err error
	if in.Incidents, err = d.incidents(ctx); err != nil {
		return dora.Report{}, err
	}
	if d.Metrics.Client != nil {
		if in.Versions, err = d.Metrics.Read(ctx, in.From, in.To); err != nil {
			return dora.Report{}, fmt.Errorf("versions: %w", err)
		}
	}
	if len(in.Versions.Seen) == 0 && d.Traces != nil {
		if in.Versions, err = dora.ReadTraces(ctx, d.Traces, in.From, in.To); err != nil {
			return dora.Report{}, fmt.Errorf("versions: %w", err)
		}
	}
	if len(d.Git) > 0 {
		repos, err := dora.OpenRepositories(ctx, d.Git)
		if err != nil {
			return dora.Report{}, fmt.Errorf("--git: %w", err)
		}
		in.Commit = repos.Commit
	}
	return dora.Compute(in), nil
}

// maxHistory is the maximum size of a history of incidents, in bytes.
const maxHistory = 256 << 20

// incidents returns nil without an error if none were ever recorded.
func (d Delivery) incidents(ctx context.Context) ([]dora.Incident, error) {
	var body io.ReadCloser
	switch info, err := os.Stat(d.Incidents); {
	case strings.HasPrefix(d.Incidents, "http://"), strings.HasPrefix(d.Incidents, "https://"):
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Incidents, nil)
		if err != nil {
			return nil, errors.New("incidents: not a URL")
		}
		if d.Token != "" {
			req.Header.Set("Authorization", "Bearer "+d.Token)
		}
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, fmt.Errorf("incidents: no answer from %s", query.Redact(d.Incidents))
		}
		body = answer.Body
		if answer.StatusCode != http.StatusOK {
			body.Close()
			return nil, fmt.Errorf("incidents: %s answers %s", query.Redact(d.Incidents), answer.Status)
		}
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("incidents: %w", err)
	case info.IsDir():
		list, err := watch.Read(d.Incidents, nil)
		if err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
		return dora.FromWatch(list), nil
	default:
		if body, err = os.Open(d.Incidents); err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
	}
	defer body.Close()
	var h watch.History
	if err := json.NewDecoder(io.LimitReader(body, maxHistory)).Decode(&h); err != nil {
		return nil, fmt.Errorf("incidents: %s is not the history of `tenhop watch`: %w", query.Redact(d.Incidents), err)
	}
	return dora.FromWatch(h.Incidents), nil
}

// DeliverySince is the time that the exported delivery metrics are about.
const DeliverySince = 30 * 24 * time.Hour

// renewEvery is the interval at which they are computed.
const renewEvery = time.Minute

// delivery returns a collector of the delivery metrics of what the stack's Prometheus and
// `tenhop watch` in the directory know. The repository is that of the directory, if it is in
// one.
func (s *Server) delivery(d supervisor.Dir) *dora.Collector {
	return dora.NewCollector(func(ctx context.Context) (dora.Report, error) {
		client, err := prometheus.New(s.endpoints[endpoint.Prometheus], nil)
		if err != nil {
			return dora.Report{}, err
		}
		return Delivery{Since: DeliverySince, Metrics: dora.Metrics{Client: client}, Incidents: d.Path("watch"),
			Git: Repository(ctx, d.WorkDir())}.Report(ctx)
	})
}

// renew keeps a collector up to date until the server is closed.
func (s *Server) renew(c *dora.Collector, log *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx, renewEvery, log)
	}()
	s.onClose(func(context.Context) error {
		stop()
		<-done
		return nil
	})
}

// Repository returns the git repository of a directory as that of all services, or nil if
// it is in none.
func Repository(ctx context.Context, dir string) map[string]string {
	here := map[string]string{"": dir}
	if _, err := dora.OpenRepositories(ctx, here); err != nil {
		return nil
	}
	return here
}

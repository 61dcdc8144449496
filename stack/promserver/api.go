package promserver

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// corsOrigin matches no origin, so that pages of other sites cannot read the
// metrics. Prometheus's default allows all.
var corsOrigin = regexp.MustCompile("^$")

func (s *Server) routes() http.Handler {
	router := route.New()
	api := v1.NewAPI(
		boundedEngine{s.engine, s.parser, s.evalEvery}, s.db, nil, nil, s.db,
		func(context.Context) v1.ScrapePoolsRetriever { return s.scraper },
		func(context.Context) v1.TargetRetriever { return s.scraper },
		func(context.Context) v1.AlertmanagerRetriever { return noAlertmanagers{} },
		func() config.Config { return *s.config },
		map[string]string{}, // no flags
		v1.GlobalURLOptions{ListenAddress: s.external.Host, Host: s.external.Host, Scheme: s.external.Scheme},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, // always ready: Open has returned
		adminStats{s.db}, s.dir,
		false,    // no admin API
		false, 0, // no search API
		s.log,
		func(context.Context) v1.RulesRetriever { return s.rules },
		maxSamples, maxQueries, 1<<20, // remote read
		false, // not an agent
		corsOrigin,
		s.runtimeInfo,
		&v1.PrometheusVersion{Version: libraryVersion(), Branch: "embedded", GoVersion: runtime.Version()},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, nil, false },
		s.registry, s.registry,
		nil,
		false, nil, false, false, false, false, // no remote write, no OTLP write
		lookback,
		false, false, nil, nil,
		v1.OpenAPIOptions{ExternalURL: s.external.String()},
		s.parser,
	)
	api.Register(router.WithPrefix("/api/v1"))

	mux := http.NewServeMux()
	mux.Handle("/api/v1/", newLimiter(maxQueries, queryTimeout).limit(uncompressed(router)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry}))
	mux.HandleFunc("GET /-/healthy", plain("Prometheus Server is Healthy.\n"))
	mux.HandleFunc("GET /-/ready", plain("Prometheus Server is Ready.\n"))
	mux.HandleFunc("GET /{$}", plain("This port answers Prometheus's HTTP API (/api/v1/query, …) and /metrics; it has no web pages.\n"))
	return mux
}

// uncompressed returns a handler that does not compress what it answers to clients on the same
// machine. Compressing takes longer than the evaluation of most queries, and a megabyte of
// memory for each.
func uncompressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && from.Addr().Unmap().IsLoopback() {
			r.Header.Del("Accept-Encoding")
		}
		next.ServeHTTP(w, r)
	})
}

func plain(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(text)) // the client is gone
	}
}

func (s *Server) runtimeInfo() (v1.RuntimeInfo, error) {
	cwd, err := os.Getwd()
	if err != nil {
		return v1.RuntimeInfo{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		return v1.RuntimeInfo{}, err
	}
	return v1.RuntimeInfo{
		StartTime: s.startedAt, CWD: cwd, Hostname: host, ServerTime: time.Now(),
		ReloadConfigSuccess: true, LastConfigTime: s.startedAt,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		GOMEMLIMIT: debug.SetMemoryLimit(-1), GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: model.Duration(s.retention).String(),
	}, nil
}

// libraryVersion returns the version of the prometheus module in this binary.
func libraryVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/prometheus/prometheus" {
				return m.Version
			}
		}
	}
	return "unknown"
}

type noAlertmanagers struct{}

// Alertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) Alertmanagers() []*url.URL { return nil }

// DroppedAlertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// adminStats implements the read-only part of v1.TSDBAdminStats.
type adminStats struct{ *tsdb.DB }

// Stats implements v1.TSDBAdminStats.
func (a adminStats) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.Head().Stats(label, limit), nil
}

// WALReplayStatus implements v1.TSDBAdminStats. Open returns after the replay.
func (a adminStats) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{}, nil
}

// BlockMetas implements v1.TSDBAdminStats.
func (a adminStats) BlockMetas() ([]tsdb.BlockMeta, error) { return a.DB.BlockMetas(), nil }

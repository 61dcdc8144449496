package sqlmw

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// pools exports the connection pools of the open databases of a service, by the names of
// OpenTelemetry's semantic conventions. Databases with the same dependency add up.
type pools struct {
	connections, most, waits *prometheus.Desc

	mu   sync.Mutex
	open map[*sql.DB]string // the dependency
}

var _ prometheus.Collector = (*pools)(nil)

// poolsOf returns the pools that report to a core, which share one collector.
func poolsOf(core *adapter.Core) (*pools, error) {
	const pool = "db_client_connection_pool_name"
	p := &pools{open: map[*sql.DB]string{},
		connections: prometheus.NewDesc("db_client_connection_count", "Open connections of a pool.", []string{pool, "db_client_connection_state"}, nil),
		most:        prometheus.NewDesc("db_client_connection_max", "Most open connections that a pool may have; absent without a limit.", []string{pool}, nil),
		waits:       prometheus.NewDesc("db_client_connection_wait_time_seconds", "Time that callers waited for a connection, of those that had to.", []string{pool}, nil),
	}
	err := core.Registerer().Register(p)
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if old, ok := have.ExistingCollector.(*pools); ok {
			return old, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("sqlmw: register the connection pool: %w", err)
	}
	return p, nil
}

func (p *pools) add(db *sql.DB, dependency string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[db] = dependency
}

func (p *pools) remove(db *sql.DB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, db)
}

// Describe implements prometheus.Collector.
func (p *pools) Describe(to chan<- *prometheus.Desc) {
	to <- p.connections
	to <- p.most
	to <- p.waits
}

// Collect implements prometheus.Collector.
func (p *pools) Collect(to chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]sql.DBStats{}
	for db, name := range p.open {
		s, sum := db.Stats(), all[name]
		sum.InUse += s.InUse
		sum.Idle += s.Idle
		sum.MaxOpenConnections += s.MaxOpenConnections
		sum.WaitCount += s.WaitCount
		sum.WaitDuration += s.WaitDuration
		all[name] = sum
	}
	for name, s := range all {
		to <- prometheus.MustNewConstMetric(p.connections, prometheus.GaugeValue, float64(s.InUse), name, "used")
		to <- prometheus.MustNewConstMetric(p.connections, prometheus.GaugeValue, float64(s.Idle), name, "idle")
		if s.MaxOpenConnections > 0 {
			to <- prometheus.MustNewConstMetric(p.most, prometheus.GaugeValue, float64(s.MaxOpenConnections), name)
		}
		to <- prometheus.MustNewConstHistogram(p.waits, uint64(max(s.WaitCount, 0)), s.WaitDuration.Seconds(), nil, name)
	}
}

// Package discovery follows which instances of a service there are.
//
// A Watch reports them: Consul, EndpointSlices and DNS each have one. Instances holds what
// the watch reported last. It keeps these addresses while the registry does not answer, and
// when the registry knows no instance any more: a registry that lost its data must not stop
// calls that work.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Watch reports the addresses, host:port, of a service's instances that can take requests:
// at first and then whenever they change. It runs until ctx ends or the registry fails. It
// may report the same addresses again.
type Watch func(ctx context.Context, service string, report func(addresses []string)) error

// Bounds of the pauses after a failed watch. They double, plus or minus half.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 10 * time.Second
)

// avoidance is the time for which HTTP requests avoid an instance that could not be
// connected to.
const avoidance = time.Second

// Metrics describes the followed services.
type Metrics struct{ instances, failing *prometheus.GaugeVec }

// NewMetrics returns registered metrics. It panics if the registry refuses them.
func NewMetrics(to prometheus.Registerer) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"dependency"})
	}
	m := &Metrics{
		instances: gauge("hop_discovery_instances", "Instances of a dependency that calls are sent to."),
		failing:   gauge("hop_discovery_failing", "1 while the instances of a dependency are the last known ones, because its registry does not answer or knows none; else 0."),
	}
	to.MustRegister(m.instances, m.failing)
	return m
}

// Instances holds the known instances of one service. It is safe for concurrent use.
type Instances struct {
	service            string
	instances, failing prometheus.Gauge
	log                *zerolog.Logger
	stop               context.CancelFunc
	ended              chan struct{}

	mu        sync.Mutex
	addresses []string // sorted
	err       error    // why the addresses may be old
	changed   chan struct{}
	avoided   map[string]time.Time // until
	turn      int
}

// Follow follows the instances of a service until Close.
func Follow(service string, watch Watch, m *Metrics, log *zerolog.Logger) *Instances {
	ctx, stop := context.WithCancel(context.Background())
	i := &Instances{service: service, instances: m.instances.WithLabelValues(service), failing: m.failing.WithLabelValues(service),
		log: log, stop: stop, ended: make(chan struct{}), changed: make(chan struct{}), avoided: map[string]time.Time{}}
	go i.follow(ctx, watch)
	return i
}

// Close ends the watch. The addresses stay.
func (i *Instances) Close() error {
	i.stop()
	<-i.ended
	return nil
}

func (i *Instances) follow(ctx context.Context, watch Watch) {
	defer close(i.ended)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := watch(ctx, i.service, func(addresses []string) {
			pause = firstPause
			i.report(addresses)
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("the watch ended")
		}
		i.fail(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration((.5 + rand.Float64()) * float64(pause))):
		}
	}
}

// errNone is the state of a service whose registry answers and knows no instance.
var errNone = errors.New("the registry knows no instance that is healthy")

func (i *Instances) report(addresses []string) {
	addresses = slices.Clone(addresses)
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	if len(addresses) == 0 {
		i.fail(errNone)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	before, failed := i.addresses, i.err
	if slices.Equal(addresses, before) && failed == nil {
		return
	}
	i.addresses, i.err = addresses, nil
	i.instances.Set(float64(len(addresses)))
	i.failing.Set(0)
	i.wake()
	if failed != nil || before != nil {
		i.log.Info().Str("dependency", i.service).Strs("before", before).Strs("instances", addresses).Msg("instances changed")
	}
}

// fail keeps the addresses and says why they may be old.
func (i *Instances) fail(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	news := i.err == nil || errors.Is(i.err, errNone) != errors.Is(err, errNone)
	i.err = err
	i.failing.Set(1)
	if news {
		i.wake()
		i.log.Warn().Err(err).Str("dependency", i.service).Int("last_known", len(i.addresses)).Msg("instances are the last known ones")
	}
}

// wake wakes those who wait for a change. The caller holds the lock.
func (i *Instances) wake() {
	close(i.changed)
	i.changed = make(chan struct{})
}

// Addresses returns the sorted addresses, and a channel that is closed when they or the
// error change. Without an address, the error says why.
func (i *Instances) Addresses() (addresses []string, changed <-chan struct{}, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.addresses) > 0 {
		return i.addresses, i.changed, nil
	}
	if i.err == nil {
		return nil, i.changed, fmt.Errorf("no instance of %s is known yet", i.service)
	}
	return nil, i.changed, fmt.Errorf("no instance of %s is known: %w", i.service, i.err)
}

// Next returns the addresses in turn, without those that could not be connected to lately
// unless there is no other. It returns "" if none is known.
func (i *Instances) Next() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.addresses) == 0 {
		return ""
	}
	for range i.addresses {
		i.turn++
		a := i.addresses[i.turn%len(i.addresses)]
		if until, avoided := i.avoided[a]; !avoided || time.Now().After(until) {
			delete(i.avoided, a)
			return a
		}
	}
	i.turn++
	return i.addresses[i.turn%len(i.addresses)]
}

// avoid makes Next avoid an address for a while. It reports whether there is another.
func (i *Instances) avoid(address string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for a, until := range i.avoided {
		if now.After(until) || !slices.Contains(i.addresses, a) {
			delete(i.avoided, a)
		}
	}
	i.avoided[address] = now.Add(avoidance)
	return slices.ContainsFunc(i.addresses, func(a string) bool {
		_, avoided := i.avoided[a]
		return !avoided
	})
}

// String returns the service and its addresses.
func (i *Instances) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.service + "=" + strings.Join(i.addresses, ",")
}

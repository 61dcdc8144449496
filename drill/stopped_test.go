package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tenhop/tenhop/drill/scenario"
	"github.com/tenhop/tenhop/drill/seal"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// endpoint is the fault endpoint of a process.
type endpoint struct {
	faults *chaos.Injector
	took   func()      // called when a fault was injected; may be nil
	stuck  atomic.Bool // faults are not lifted
}

// endpoints serves the fault endpoints of services of one process each.
func endpoints(t *testing.T, of map[string]*endpoint) Faults {
	t.Helper()
	f := Faults{Services: map[string][]string{}, Admin: map[string]string{}, Token: "secret"}
	for name, e := range of {
		e.faults = chaos.New(chaos.WithToken("secret"))
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && e.stuck.Load() {
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprint(w, `{"error":"the fault cannot be lifted"}`)
				return
			}
			e.faults.AdminHandler().ServeHTTP(w, r)
			if r.Method == http.MethodPost && e.took != nil {
				e.took()
			}
		}))
		t.Cleanup(srv.Close)
		f.Services[name], f.Admin[name+"-1"] = []string{name + "-1"}, srv.URL
	}
	return f
}

// inForce reports whether the process has a fault.
func (e *endpoint) inForce() bool {
	faults, sealed := e.faults.List()
	return sealed || len(faults) > 0
}

// slow returns a latency fault of a service.
func slow(service string) scenario.Fault {
	return scenario.Fault{Service: service, Fault: chaos.Fault{Kind: "latency", Latency: chaos.Duration(1)}}
}

var errBurns = fmt.Errorf("%w: the alert ShopBurnsFast fires", ErrStopped)

// A fault that cannot be lifted after the drill was stopped between two faults is reported.
func TestBeginReportsWhatIsNotLifted(t *testing.T) {
	for _, c := range []struct {
		why       string
		stuck     bool
		processes []string // of the first service
	}{
		{"lifted", false, []string{"stock-1"}},
		{"not lifted", true, []string{"stock-1"}},
		{"not lifted in one process of a service", true, []string{"stock-1", "shop-1"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			stock := &endpoint{took: func() { stop(errBurns) }}
			stock.stuck.Store(c.stuck)
			r := &runner{Config: Config{Faults: endpoints(t, map[string]*endpoint{"stock": stock, "shop": {}})}}
			r.Faults.Services["stock"] = c.processes
			_, err := r.begin(ctx, plan{Fault: Fault{Injected: []scenario.Fault{slow("stock"), slow("shop")}}}, answerTimeout)
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotLifted) != c.stuck || stock.inForce() != c.stuck {
				t.Errorf("%v; a fault is in force: %v", err, stock.inForce())
			}
			if c.stuck && !strings.Contains(fmt.Sprint(err), "the fault cannot be lifted") {
				t.Errorf("no reason: %v", err)
			}
		})
	}
}

// exercise returns a runner of rounds that inject latency faults into services, for hops that
// have a mean of meanMS milliseconds.
func exercise(t *testing.T, meanMS *atomic.Int64, answer string, of map[string]*endpoint, services ...string) *runner {
	t.Helper()
	r := fixture(t, meanMS, answer)
	r.Faults = endpoints(t, of)
	r.Scenario = &scenario.Scenario{Name: "slow", Expect: []scenario.Answer{{Hop: services[0]}}}
	for _, s := range services {
		r.Scenario.Faults = append(r.Scenario.Faults, slow(s))
	}
	return r
}

// A round that is stopped after its seal was published is void for the reason, and its seal is
// opened, whether or not its faults are in force yet.
func TestRoundStoppedWhileInjected(t *testing.T) {
	for _, c := range []struct {
		why   string
		stop  string // "sealed" or "injected": when
		stuck bool
	}{
		{"before the first fault", "sealed", false},
		{"between two faults", "injected", false},
		{"between two faults, and the first is not lifted", "injected", true},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancelCause(t.Context())
			stopAt := func(when string) {
				if when == c.stop {
					stop(errBurns)
				}
			}
			var mean atomic.Int64
			mean.Store(100)
			stock := &endpoint{took: func() { stopAt("injected") }}
			stock.stuck.Store(c.stuck)
			r := exercise(t, &mean, `{"verdict":"none","findings":[]}`, map[string]*endpoint{"stock": stock, "shop": {}}, "stock", "shop")
			var published seal.Seal
			r.Sealed = func(_ int, s seal.Seal) error { published = s; stopAt("sealed"); return nil }
			round, err := r.round(ctx, 1)
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotLifted) != c.stuck || stock.inForce() != c.stuck {
				t.Errorf("%v; a fault is in force: %v", err, stock.inForce())
			}
			if round.Void != errBurns.Error() || !round.scored() {
				t.Errorf("the round is void: %q, scored: %v", round.Void, round.scored())
			}
			if round.Seal == nil || round.Seal.SHA256 != published.SHA256 || round.Seal.Nonce == "" {
				t.Errorf("the seal is %+v, published was %+v", round.Seal, published)
			}
		})
	}
}

// A stop that comes when the search is over leaves its outcome as it is. Before, it makes the
// round void and lifts the fault at once.
func TestRoundStoppedWhileSearched(t *testing.T) {
	for _, c := range []struct {
		why    string
		at     string // what the round says when it is stopped
		answer func(*runner)
		slow   bool // customers feel the fault
		void   string
		err    string // Round.Error
	}{
		{"a person gave up, customers feel it", "customers feel it", giveUp, true, "", "gave up after"},
		{"a person gave up, customers do not feel it yet", "answered", giveUp, false, "it is not known whether customers felt the fault: " + errBurns.Error(), "gave up after"},
		{"the diagnosis fails", "exit status 1", failing, false, errBurns.Error(), ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancelCause(t.Context())
			var mean atomic.Int64
			mean.Store(100)
			stock := &endpoint{took: func() {
				if c.slow {
					mean.Store(200)
				}
			}}
			r := exercise(t, &mean, "", map[string]*endpoint{"stock": stock}, "stock")
			c.answer(r)
			var once sync.Once // the diagnosis speaks, too
			var stopped time.Time
			r.Say = func(format string, args ...any) {
				if strings.Contains(fmt.Sprintf(format, args...), c.at) {
					once.Do(func() {
						stopped = time.Now()
						stop(errBurns)
					})
				}
			}
			round, err := r.round(ctx, 1)
			if !errors.Is(err, context.Canceled) || stock.inForce() || round.Seconds.Lifted == nil {
				t.Errorf("%v; a fault is in force: %v; lifted: %v", err, stock.inForce(), round.Seconds.Lifted)
			}
			if round.Void != c.void || !strings.HasPrefix(round.Error, c.err) || (c.err == "") != (round.Error == "") || !round.scored() {
				t.Errorf("void %q, error %q, scored %v", round.Void, round.Error, round.scored())
			}
			if took := time.Since(stopped); took > feltAfterAnswer/2 {
				t.Errorf("the round ends %s after it was stopped", took)
			}
		})
	}
}

// giveUp lets a person answer, who gives up.
func giveUp(r *runner) {
	r.Human = func(context.Context, Choices) (Person, error) { return Person{GaveUp: true}, nil }
}

// failing lets the diagnosis fail.
func failing(r *runner) { r.asks.cfg.Program = "false" }

// Package chaos injects faults into a service that opts in. Kinds lists them: some slow
// or fail requests, the others take the process's processor, memory or life. A fault can
// be limited in time, and one of requests to an operation, a kind of request or a
// percentage of the requests. A service adds kinds of its own with Injector.Offer.
//
// Faults are not visible in telemetry. The package emits no log lines, attributes
// or metrics. The text of an injected error is that of an ordinary outage.
package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/baggage"
)

// Fault describes a fault. The admin endpoint reads and lists it as JSON.
type Fault struct {
	ID         string            `json:"id,omitempty"`
	Kind       string            `json:"kind"` // name of a Kind
	Latency    Duration          `json:"latency,omitempty"`
	Jitter     Duration          `json:"jitter,omitempty"`
	Bytes      int64             `json:"bytes,omitempty"`      // per second
	Factor     float64           `json:"factor,omitempty"`     // multiple of the usual amount
	Code       string            `json:"code,omitempty"`       // "UNAVAILABLE" or "503"
	Operation  string            `json:"operation,omitempty"`  // every operation when empty
	Dependency string            `json:"dependency,omitempty"` // calls of it in place of requests
	Match      map[string]string `json:"match,omitempty"`      // fields that the service declares
	Percent    float64           `json:"percent,omitempty"`    // of the matching requests; 0 means 100
	For        Duration          `json:"for,omitempty"`        // removed afterwards; 0 means until cleared
	Sealed     bool              `json:"sealed,omitempty"`     // set by a drill; hidden from lists
}

// Duration is a time.Duration encoded as text, such as "500ms".
type Duration time.Duration

// MarshalText returns the duration in the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText parses the duration with time.ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 500ms or 2m", b)
	}
	*d = Duration(v)
	return nil
}

// maxLatency is the maximum injected delay. Longer ones would exhaust the service.
const maxLatency = 5 * time.Minute

// maxFaults is the maximum number of faults in force.
const maxFaults = 100

// Injector holds the faults of a service. Without faults it costs one atomic load per
// request.
type Injector struct {
	token        string
	operations   []string
	fields       FieldsFunc
	dependencies []string
	now          func() time.Time
	store        Store  // guarded by mu
	offered      []kind // guarded by mu
	only         bool   // only those offered

	mu     sync.RWMutex
	faults []active // replaced as a whole, never changed in place
	next   int

	dice sync.Mutex
	rand *rand.Rand
}

type active struct {
	Fault
	kind  kind
	until time.Time // zero: until cleared
	state *state
	req   any // the request that the fault is applied to, if known
}

// state is what the requests under a fault share.
type state struct {
	ctx     context.Context // done when the fault is lifted
	lift    context.CancelFunc
	lock    sync.Mutex   // of the fault mutex
	holding sync.Once    // the task that holds it
	held    atomic.Int64 // goroutines of the fault goroutines
	work    func(context.Context) error
}

// FieldsFunc returns the fields of a request that faults may match on.
type FieldsFunc func(ctx context.Context, operation string, req any) map[string]string

// Option configures an Injector.
type Option func(*Injector)

// WithToken sets the bearer token of the admin endpoint, which is disabled without one.
func WithToken(token string) Option { return func(i *Injector) { i.token = token } }

// WithOperations declares the service's operations. Inject refuses a fault for any
// other operation.
func WithOperations(ops ...string) Option { return func(i *Injector) { i.operations = ops } }

// WithDependencies declares the dependencies whose calls the service passes to ApplyCall.
// Inject refuses a fault for any other dependency.
func WithDependencies(names ...string) Option {
	return func(i *Injector) { i.dependencies = names }
}

// WithFields declares the fields that faults may match on.
func WithFields(f FieldsFunc) Option { return func(i *Injector) { i.fields = f } }

// WithClock sets the clock that determines when faults end, for tests.
func WithClock(now func() time.Time) Option { return func(i *Injector) { i.now = now } }

// WithSeed sets the seed of the random numbers for jitter and percentages.
func WithSeed(seed uint64) Option {
	return func(i *Injector) { i.rand = rand.New(rand.NewPCG(seed, seed)) }
}

// New returns an Injector without faults. It panics for a nil option.
func New(opts ...Option) *Injector {
	i := &Injector{now: time.Now, rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	for _, o := range opts {
		if o == nil {
			panic("chaos: New: nil option")
		}
		o(i)
	}
	return i
}

// roll returns a random number in [0, 1).
func (i *Injector) roll() float64 {
	i.dice.Lock()
	defer i.dice.Unlock()
	return i.rand.Float64()
}

// Inject adds a fault and returns its ID.
func (i *Injector) Inject(f Fault) (string, error) {
	if err := i.check(&f); err != nil {
		return "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(i.faults), i.over)
	if len(left) >= maxFaults {
		return "", fmt.Errorf("%d faults are in force, which is the most; clear one first", maxFaults)
	}
	i.next++
	f.ID = strconv.Itoa(i.next)
	a := active{Fault: f, kind: i.kindNamed(f.Kind), state: &state{work: i.store.Work}}
	if a.kind.statements {
		if i.store.Work == nil {
			return "", errors.New("the service has no store that can be kept busy")
		}
		a.Dependency = cmp.Or(f.Dependency, i.store.Name)
	}
	if f.For > 0 {
		a.until = i.now().Add(time.Duration(f.For))
		a.state.ctx, a.state.lift = context.WithTimeout(context.Background(), time.Duration(f.For))
	} else {
		a.state.ctx, a.state.lift = context.WithCancel(context.Background())
	}
	if a.kind.process != nil {
		if err := a.kind.process(a.state.ctx, i, f); err != nil {
			a.state.lift()
			return "", err
		}
	}
	i.faults = append(left, a)
	return f.ID, nil
}

func (i *Injector) check(f *Fault) error {
	if f.For < 0 {
		return errors.New("for must not be negative")
	}
	i.mu.RLock()
	k := i.kindNamed(f.Kind)
	i.mu.RUnlock()
	if k.Name == "" {
		return fmt.Errorf("kind %q is unknown here; the kinds are %s", f.Kind, kindNames(i.Kinds()))
	}
	if f.Percent == 0 && slices.Contains(k.Fields, "percent") {
		f.Percent = 100
	}
	if err := k.accepts(*f); err != nil {
		return err
	}
	if f.Dependency != "" && f.Operation != "" {
		return errors.New("operation and dependency exclude each other: a fault affects requests or calls")
	}
	if k.Process {
		return nil
	}
	if f.Dependency != "" && len(i.dependencies) > 0 && !slices.Contains(i.dependencies, f.Dependency) {
		return fmt.Errorf("dependency %q is unknown here; known are: %s", f.Dependency, strings.Join(i.dependencies, ", "))
	}
	if slices.Contains(k.Fields, "percent") && !(f.Percent > 0 && f.Percent <= 100) {
		return fmt.Errorf("percent is %v; it must be above 0 and at most 100", f.Percent)
	}
	if f.Operation != "" && len(i.operations) > 0 && !slices.Contains(i.operations, f.Operation) {
		return fmt.Errorf("operation %q is unknown here; known are: %s", f.Operation, strings.Join(i.operations, ", "))
	}
	return nil
}

// Clear removes a fault, or all of them when id is empty. It reports whether it
// removed any.
func (i *Injector) Clear(id string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := len(i.faults)
	i.faults = slices.DeleteFunc(slices.Clone(i.faults), func(a active) bool {
		if id != "" && a.ID != id {
			return false
		}
		a.state.lift()
		return true
	})
	return len(i.faults) < before
}

// List returns the faults in force. While a sealed fault is in force it returns none
// and reports true.
func (i *Injector) List() (faults []Fault, sealed bool) {
	faults = []Fault{}
	for _, a := range i.snapshot() {
		if i.over(a) {
			continue
		}
		sealed = sealed || a.Sealed
		faults = append(faults, a.Fault)
	}
	if sealed {
		return []Fault{}, true
	}
	return faults, false
}

func (i *Injector) snapshot() []active {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.faults
}

func (i *Injector) over(a active) bool { return !a.until.IsZero() && !i.now().Before(a.until) }

// Apply applies the faults in force to a request: it waits or returns an error. A nil
// Injector does nothing.
func (i *Injector) Apply(ctx context.Context, operation string, req any) error {
	return i.apply(ctx, operation, "", req)
}

// ApplyCall applies the faults in force to a call of a dependency. Call it where the call
// is measured, so that a fault adds to the wait. A nil Injector does nothing.
func (i *Injector) ApplyCall(ctx context.Context, dependency string) error {
	return i.apply(ctx, "", dependency, nil)
}

// apply applies the faults to a request with an operation, or to a call of a dependency.
func (i *Injector) apply(ctx context.Context, operation, dependency string, req any) error {
	if i == nil {
		return nil
	}
	faults := i.snapshot()
	if len(faults) == 0 {
		return nil
	}
	var fields map[string]string
	for _, a := range faults {
		if a.kind.request == nil || a.Dependency != dependency || i.over(a) || (a.Operation != "" && a.Operation != operation) {
			continue
		}
		if len(a.Match) > 0 {
			if fields == nil && i.fields != nil {
				fields = i.fields(ctx, operation, req)
			}
			if !matches(ctx, a.Match, fields) {
				continue
			}
		}
		if a.Percent > 0 && a.Percent < 100 && i.roll()*100 >= a.Percent {
			continue
		}
		a.req = req
		if err := a.kind.request(ctx, a, i.roll); err != nil {
			return err
		}
	}
	return nil
}

// matches compares with the fields that the service declares. Other fields are those of
// the request's baggage.
func matches(ctx context.Context, want, declared map[string]string) bool {
	for k, v := range want {
		have, ok := declared[k]
		if !ok {
			have = baggage.FromContext(ctx).Member(k).Value()
		}
		if have != v {
			return false
		}
	}
	return true
}

package app

import (
	"errors"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/tenhop/tenhop/console"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/load"
	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/services"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
)

// Errors of a state directory without a storefront to inject faults into.
var (
	ErrNoStorefront = errors.New("the stack runs alone, without a storefront")
	ErrNotReady     = errors.New("the storefront is still starting")
)

// DefaultEntry returns the entry that drills watch by default.
func DefaultEntry() drill.Entry {
	return drill.Entry{Service: endpoint.Gateway, Operation: "POST /checkout"}
}

// ReadState returns the state of a working directory. See supervisor.Dir.Read.
func ReadState(workDir string) (supervisor.State, error) {
	d, err := supervisor.In(workDir)
	if err != nil {
		return supervisor.State{}, err
	}
	return d.Read()
}

// Shoppers is the name under which faults are injected into the load generator.
const Shoppers = "shoppers"

// Kind is a kind of fault and the services that offer it.
type Kind struct {
	chaos.Kind
	Services []string `json:"services,omitempty"` // empty for any service
}

// Kinds returns the kinds of fault of the storefront and of its shoppers.
func Kinds() []Kind {
	var out []Kind
	for _, k := range slices.Concat(chaos.Kinds(), services.Kinds()) {
		out = append(out, Kind{k, services.Offering(k.Name)})
	}
	for _, k := range load.Kinds() {
		out = append(out, Kind{k.Kind, []string{Shoppers}})
	}
	return out
}

// Faults returns access to the fault endpoints of the services of a run, and of its
// shoppers. It fails with ErrNoStorefront if the run has no services.
func Faults(state supervisor.State) (drill.Faults, error) {
	if state.Token == "" {
		return drill.Faults{}, ErrNoStorefront
	}
	targets := state.Services
	if state.Admin[supervisor.Load] != "" {
		targets = maps.Clone(targets)
		targets[Shoppers] = []string{supervisor.Load}
	}
	return drill.Faults{Services: targets, Admin: state.Admin, Token: state.Token}, nil
}

// Storefront returns the storefront that the console's faults and drills act on.
func Storefront(workDir string) (console.Storefront, error) {
	state, err := ReadState(workDir)
	if err != nil {
		return console.Storefront{}, err
	}
	faults, err := Faults(state)
	if err != nil {
		return console.Storefront{}, err
	}
	s := console.Storefront{Faults: faults, Entry: DefaultEntry(), Up: time.Now()}
	if state.ReadyAt != nil {
		s.Up = *state.ReadyAt
	}
	return s, nil
}

// Drill returns the configuration of a drill on the storefront that runs in a
// working directory, and the history that its rounds belong to.
func Drill(workDir string) (drill.Config, *drill.History, error) {
	d, err := supervisor.In(workDir)
	if err != nil {
		return drill.Config{}, nil, err
	}
	state, err := d.Read()
	if err != nil {
		return drill.Config{}, nil, err
	}
	faults, err := Faults(state)
	if err != nil {
		return drill.Config{}, nil, err
	}
	if state.ReadyAt == nil {
		return drill.Config{}, nil, ErrNotReady
	}
	program, err := os.Executable()
	if err != nil {
		return drill.Config{}, nil, err
	}
	return drill.Config{
		Faults:     faults,
		Program:    program,
		Jaeger:     state.Endpoints[endpoint.Jaeger],
		Prometheus: state.Endpoints[endpoint.Prometheus],
		Up:         *state.ReadyAt,
		Entry:      DefaultEntry(),
	}, History(d.Path("data")), nil
}

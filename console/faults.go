package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// FaultRequest asks for a fault to be injected into a service.
type FaultRequest struct {
	Service string      `json:"service"`
	Fault   chaos.Fault `json:"fault"`
}

// maxFault is the maximum duration of a fault injected from the page, since users
// forget to remove faults.
const maxFault = time.Hour

func (c *Console) storefront() (Storefront, error) {
	if c.cfg.Storefront == nil {
		return Storefront{}, &apiError{http.StatusServiceUnavailable, "no storefront runs here; start one with `tenhop up`"}
	}
	s, err := c.cfg.Storefront()
	if err != nil {
		return s, &apiError{http.StatusServiceUnavailable, err.Error()}
	}
	return s, nil
}

// Faults lists the active faults and the services that accept faults.
type Faults struct {
	Faults   []drill.Injected `json:"faults"`
	Sealed   bool             `json:"sealed"` // a drill hides a fault
	Services []string         `json:"services"`
}

func (c *Console) listFaults(r *http.Request) (Faults, error) {
	s, err := c.storefront()
	if err != nil {
		return Faults{}, err
	}
	faults, sealed, err := s.Faults.List(r.Context())
	if err != nil {
		return Faults{}, err
	}
	services := make([]string, 0, len(s.Faults.Services))
	for name := range s.Faults.Services {
		services = append(services, name)
	}
	slices.Sort(services)
	return Faults{faults, sealed, services}, nil
}

func (c *Console) injectFault(r *http.Request, in FaultRequest) ([]drill.Injected, error) {
	if d := time.Duration(in.Fault.For); d <= 0 || d > maxFault {
		return nil, badRequest("for must be set, to 1h at most")
	}
	in.Fault.ID, in.Fault.Sealed = "", false
	s, err := c.storefront()
	if err != nil {
		return nil, err
	}
	done, err := s.Faults.Inject(r.Context(), in.Service, in.Fault)
	if errors.Is(err, drill.ErrUnknownService) || drill.Refused(err) {
		return nil, badRequest("%v", err)
	}
	return done, err
}

// clearFaults removes the faults that were injected by hand. The fault of a drill ends
// with the drill.
func (c *Console) clearFaults(r *http.Request) (Done, error) {
	if c.drills.running() {
		return Done{}, &apiError{http.StatusConflict, "a drill is running; end it instead"}
	}
	s, err := c.storefront()
	if err != nil {
		return Done{}, err
	}
	if _, sealed, err := s.Faults.List(r.Context()); err != nil {
		return Done{}, err
	} else if sealed {
		return Done{}, &apiError{http.StatusConflict, "a drill of `tenhop drill` hides a fault; it is lifted when that drill ends"}
	}
	return Done{}, s.Faults.Clear(r.Context())
}

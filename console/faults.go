package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// faultRequest is a fault and where it goes.
type faultRequest struct {
	Service string      `json:"service"`
	Fault   chaos.Fault `json:"fault"`
}

// maxFault bounds how long a fault from the page stays: somebody will forget it.
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

func (c *Console) listFaults(r *http.Request) (any, error) {
	s, err := c.storefront()
	if err != nil {
		return nil, err
	}
	faults, sealed, err := s.Faults.List(r.Context())
	if err != nil {
		return nil, err
	}
	services := make([]string, 0, len(s.Faults.Services))
	for name := range s.Faults.Services {
		services = append(services, name)
	}
	slices.Sort(services)
	return map[string]any{"faults": faults, "sealed": sealed, "services": services}, nil
}

func (c *Console) injectFault(r *http.Request) (any, error) {
	var in faultRequest
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if d := time.Duration(in.Fault.For); d <= 0 || d > maxFault {
		return nil, badRequest("a fault from the page lasts at most an hour: set for")
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

// clearFaults lifts what was injected by hand; a drill's fault is the drill's.
func (c *Console) clearFaults(r *http.Request) (any, error) {
	if c.drills.running() {
		return nil, &apiError{http.StatusConflict, "a drill runs; end it instead"}
	}
	s, err := c.storefront()
	if err != nil {
		return nil, err
	}
	if _, sealed, err := s.Faults.List(r.Context()); err != nil {
		return nil, err
	} else if sealed {
		return nil, &apiError{http.StatusConflict, "a drill of `tenhop drill` hides a fault; it is lifted when that drill ends"}
	}
	return struct{}{}, s.Faults.Clear(r.Context())
}

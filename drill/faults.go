package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// adminTimeout bounds one request to an admin endpoint.
const adminTimeout = 3 * time.Second

// Faults injects faults into running services through their admin endpoints.
type Faults struct {
	Services map[string][]string // processes by service
	Admin    map[string]string   // base URL of the admin endpoint by process
	Token    string              // bearer token of the admin endpoints
	Limits   *Limits             // of the faults that may be injected; nil for none
	Leases   *Leases             // if set, faults end with this process
}

// Injected is an active fault in one process of a service.
type Injected struct {
	Service string `json:"service"`
	Process string `json:"process"`
	chaos.Fault
}

// Inject injects a fault into every process of a service, or into the process with that
// name. If one fails, Inject removes the fault from the others and returns the error, with
// all of these faults if one could not be removed: removing one twice is no error. The error
// is ErrUnknownService if there is neither. A request that was sent is waited for even if ctx
// ends: the process may have taken the fault, which could not be removed otherwise.
func (f Faults) Inject(ctx context.Context, name string, fault chaos.Fault) ([]Injected, error) {
	service, processes, err := f.find(name)
	if err == nil {
		err = f.Limits.check(service, fault)
	}
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(fault)
	if err != nil {
		return nil, err
	}
	var done []Injected
	for _, process := range processes {
		var answer struct {
			ID string `json:"id"`
		}
		err := ctx.Err()
		switch {
		case err != nil:
		case f.Leases != nil:
			answer.ID, err = f.Leases.take(ctx, f, process, body)
		default:
			err = f.call(context.WithoutCancel(ctx), http.MethodPost, process, "/chaos", body, &answer)
		}
		if err != nil {
			if failed := f.Remove(context.WithoutCancel(ctx), done); failed != nil {
				return done, errors.Join(err, failed)
			}
			return nil, err
		}
		in := Injected{Service: service, Process: process, Fault: fault}
		in.ID = answer.ID
		done = append(done, in)
	}
	return done, nil
}

// Hold injects a fault like Inject. The fault lasts until ctx ends, or this process does, or
// the fault's own time is over. began is called when the fault is in force. Hold returns
// when it is over, and an error if it could not be injected into every process. It is lifted
// then where it was in force already; the error is ErrNotLifted, too, if that fails. If ctx
// ended before, the error is its cause.
func (f Faults) Hold(ctx context.Context, name string, fault chaos.Fault, began func([]Injected)) error {
	service, processes, err := f.find(name)
	if err == nil {
		err = f.Limits.check(service, fault)
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(fault)
	if err != nil {
		return err
	}
	if f.Limits != nil {
		if err := f.free(ctx, processes); err != nil {
			return err
		}
	}
	ctx, release := context.WithCancel(ctx)
	defer release()
	var done []Injected
	var held []*http.Response
	for _, process := range processes {
		resp, err := f.send(ctx, http.MethodPost, process, "/chaos?hold=true", body)
		in := Injected{Service: service, Process: process, Fault: fault}
		if err == nil {
			defer resp.Body.Close()
			err = decode(process, "/chaos", resp, &in.Fault)
		}
		if err != nil {
			asked := processes[:len(done)]
			if ctx.Err() != nil { // the process may have taken the fault without an answer
				asked, err = processes[:len(done)+1], context.Cause(ctx)
			}
			release() // the connections end, and the faults with them
			return errors.Join(err, notLifted(f.lifted(context.WithoutCancel(ctx), done, asked)))
		}
		done, held = append(done, in), append(held, resp) //nolint:bodyclose // it is closed above
	}
	began(done)
	for _, resp := range held {
		_, _ = io.Copy(io.Discard, resp.Body) // it ends with the fault
	}
	return nil
}

// lifted removes faults whose connections have ended, and returns an error if that fails. With
// limits, which allow one fault per process, it waits until the processes have none.
func (f Faults) lifted(ctx context.Context, faults []Injected, processes []string) error {
	failed := f.Remove(ctx, faults)
	if f.Limits == nil {
		return failed
	}
	for end := time.Now().Add(adminTimeout); ; {
		busy, err := f.busy(ctx, processes)
		switch {
		case err != nil:
			return errors.Join(failed, err)
		case busy == "":
			return nil
		case time.Now().After(end):
			return errors.Join(failed, fmt.Errorf("a fault is in force in %s", busy))
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// free returns a LimitError if a fault is in force in one of the processes: two faults within
// the limits may exceed them together.
func (f Faults) free(ctx context.Context, processes []string) error {
	busy, err := f.busy(ctx, processes)
	if err == nil && busy != "" {
		err = &LimitError{fmt.Sprintf("a fault is in force in %s already, and two of them may exceed the limits", busy)}
	}
	return err
}

// busy returns the first of the processes in which a fault is in force, or "".
func (f Faults) busy(ctx context.Context, processes []string) (string, error) {
	for _, process := range processes {
		var answer struct {
			Faults []chaos.Fault `json:"faults"`
			Sealed bool          `json:"sealed"`
		}
		if err := f.call(ctx, http.MethodGet, process, "/chaos", nil, &answer); err != nil {
			return "", err
		}
		if answer.Sealed || len(answer.Faults) > 0 {
			return process, nil
		}
	}
	return "", nil
}

// Kinds returns the kinds of fault that a service or a process takes. A middleware that does
// not tell them takes those of the package chaos.
func (f Faults) Kinds(ctx context.Context, name string) ([]chaos.Kind, error) {
	_, processes, err := f.find(name)
	if err != nil {
		return nil, err
	}
	var answer struct{ Kinds []chaos.Kind }
	err = f.call(ctx, http.MethodGet, processes[0], "/chaos/kinds", nil, &answer)
	var status *statusError
	if errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusMethodNotAllowed) {
		return chaos.Kinds(), nil
	}
	return answer.Kinds, err
}

// Remove lifts faults. A fault that is already gone is not an error.
func (f Faults) Remove(ctx context.Context, faults []Injected) error {
	var errs []error
	for _, in := range faults {
		f.Leases.end(in)
		err := f.call(ctx, http.MethodDelete, in.Process, "/chaos/"+in.ID, nil, nil)
		var status *statusError
		if errors.As(err, &status) && status.code == http.StatusNotFound {
			err = nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// List returns all active faults. If one of them is sealed, it returns none and reports
// true.
func (f Faults) List(ctx context.Context) (faults []Injected, sealed bool, err error) {
	faults = []Injected{}
	for _, service := range slices.Sorted(maps.Keys(f.Services)) {
		for _, process := range f.Services[service] {
			var answer struct {
				Faults []chaos.Fault `json:"faults"`
				Sealed bool          `json:"sealed"`
			}
			if err := f.call(ctx, http.MethodGet, process, "/chaos", nil, &answer); err != nil {
				return nil, false, err
			}
			sealed = sealed || answer.Sealed
			for _, fault := range answer.Faults {
				faults = append(faults, Injected{Service: service, Process: process, Fault: fault})
			}
		}
	}
	if sealed {
		return []Injected{}, true, nil
	}
	return faults, false, nil
}

// Clear lifts all faults of the named services or processes, or of all if there are no names.
func (f Faults) Clear(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(f.Services))
	}
	var errs []error
	for _, name := range names {
		_, processes, err := f.find(name)
		if err != nil {
			return err
		}
		for _, process := range processes {
			errs = append(errs, f.call(ctx, http.MethodDelete, process, "/chaos", nil, nil))
		}
	}
	return errors.Join(errs...)
}

// ErrUnknownService reports that there is no service or process with a name.
var ErrUnknownService = errors.New("there is no service")

// find returns the processes of a service, or the process with a name and its service.
func (f Faults) find(name string) (service string, processes []string, err error) {
	if found := f.Services[name]; len(found) > 0 {
		return name, found, nil
	}
	for service, all := range f.Services {
		if slices.Contains(all, name) {
			return service, []string{name}, nil
		}
	}
	return "", nil, fmt.Errorf("%w %q; the services are %s", ErrUnknownService, name, strings.Join(slices.Sorted(maps.Keys(f.Services)), ", "))
}

// statusError is an error response of an admin endpoint.
type statusError struct {
	process string
	code    int
	message string
}

// Error implements error.
func (e *statusError) Error() string { return e.process + ": " + e.message }

// Refused reports whether err is the response of an admin endpoint to an invalid fault.
func Refused(err error) bool {
	var e *statusError
	return errors.As(err, &e) && (e.code == http.StatusUnprocessableEntity || e.code == http.StatusBadRequest)
}

// call sends a request to the admin endpoint of a process and decodes the response into
// into, if not nil.
func (f Faults) call(ctx context.Context, method, process, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	resp, err := f.send(ctx, method, process, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(process, path, resp, into)
}

// client follows no redirects: the token is for the endpoint that is named.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// send sends a request to the admin endpoint of a process. The caller closes the body.
func (f Faults) send(ctx context.Context, method, process, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, f.Admin[process]+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+f.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s does not answer: %w; see `tenhop status`", process, err)
	}
	return resp, nil
}

// decode decodes the first line of a response into into, if not nil, or returns its error.
func decode(process, path string, resp *http.Response, into any) error {
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	var answer json.RawMessage
	err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	switch {
	case resp.StatusCode == http.StatusNotFound && path == "/chaos":
		return fmt.Errorf("%s has no fault endpoint: it was started without TENHOP_CHAOS_TOKEN", process)
	case resp.StatusCode/100 != 2:
		var e struct {
			Error string `json:"error"`
		}
		if err != nil || json.Unmarshal(answer, &e) != nil || e.Error == "" {
			e.Error = resp.Status
		}
		return &statusError{process, resp.StatusCode, e.Error}
	case err != nil:
		return fmt.Errorf("%s: %w", process, err)
	case into != nil:
		return json.Unmarshal(answer, into)
	}
	return nil
}

package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tenhop/tenhop/middleware/chaos"
)

// Limits bound the faults that may be injected into the services of a fleet. A fault
// beyond them is refused. Those that a drill chooses are made to fit.
type Limits struct {
	Services   []string      // that may have faults; none if empty
	Operations []string      // that may have faults; all if empty
	Kinds      []string      // of fault; all if empty
	Percent    float64       // of the requests; 0 stands for 100
	For        time.Duration // of a fault; 0 for no limit
}

// LimitError reports a fault beyond the limits.
type LimitError struct{ What string }

// Error implements error.
func (e *LimitError) Error() string { return e.What + "; the fleet's file has the limits" }

// all reports whether faults may affect every request of a process.
func (l *Limits) all() bool { return (l.Percent == 0 || l.Percent >= 100) && len(l.Operations) == 0 }

// check returns a LimitError for a fault beyond the limits.
func (l *Limits) check(service string, f chaos.Fault) error {
	refuse := func(format string, args ...any) error { return &LimitError{fmt.Sprintf(format, args...)} }
	switch {
	case l == nil:
		return nil
	case !slices.Contains(l.Services, service):
		return refuse("%s may not have faults: allowed are %s", service, list(l.Services))
	case len(l.Kinds) > 0 && !slices.Contains(l.Kinds, f.Kind):
		return refuse("faults of the kind %s are not allowed: allowed are %s", f.Kind, list(l.Kinds))
	case l.For > 0 && (f.For == 0 || time.Duration(f.For) > l.For):
		return refuse("a fault may last for %s at most", l.For)
	case l.all():
		return nil
	case !limitable(f.Kind):
		return refuse("a fault of the kind %s affects the whole process, and faults are limited to some of its requests", f.Kind)
	case l.Percent > 0 && (f.Percent == 0 || f.Percent > l.Percent):
		return refuse("a fault may affect %v %% of the requests at most: give --percent", l.Percent)
	case len(l.Operations) > 0 && !slices.Contains(l.Operations, f.Operation):
		return refuse("a fault must be limited to one of the operations %s: give --operation", list(l.Operations))
	}
	return nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// limitable reports whether faults of a kind can be limited to some requests. Kinds that a
// service offers itself are not known to be.
func limitable(kind string) bool {
	return slices.ContainsFunc(chaos.Kinds(), func(k chaos.Kind) bool { return k.Name == kind && !k.Process && slices.Contains(k.Fields, "percent") })
}

// within returns a fault of a drill with its share of the requests and its time within the
// limits.
func (l *Limits) within(f chaos.Fault) chaos.Fault {
	if l != nil && l.For > 0 {
		f.For = min(f.For, chaos.Duration(l.For))
	}
	if l != nil && l.Percent > 0 && l.Percent < 100 && (f.Percent == 0 || f.Percent > l.Percent) {
		f.Percent = l.Percent
	}
	return f
}

// allow reports whether a drill may choose a fault of a template at a hop.
func (l *Limits) allow(h Hop, t template) bool {
	switch {
	case l == nil:
		return true
	case !slices.Contains(l.Services, h.Service), len(l.Kinds) > 0 && !slices.Contains(l.Kinds, t.kind):
		return false
	case l.all():
		return true
	}
	return !t.process && limitable(t.kind) && (len(l.Operations) == 0 || slices.Contains(l.Operations, h.Operation))
}

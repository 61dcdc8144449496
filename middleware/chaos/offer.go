package chaos

import (
	"context"
	"slices"
)

// Implementation is a kind of fault that a service offers beside those of this package. A
// fault of it is injected, limited in time, sealed, listed and lifted like any other.
//
// If Begin and Request are nil, the kind is a switch: the service asks On where it would do
// its work otherwise.
type Implementation struct {
	Kind

	// Check reports what is wrong with the fields of a fault, beyond fields that the kind
	// does not use. It may be nil.
	Check func(Fault) error

	// Begin begins a fault. It must not block. ctx is done when the fault is lifted, and
	// everything that Begin started must end then. An error refuses the fault. It may be nil.
	Begin func(ctx context.Context, f Fault) error

	// Request applies the fault to a request or a call that it selects, in Apply and
	// ApplyCall. It waits or returns an error, whose type and text must be those of an
	// ordinary failure. req is the request, or nil if unknown. It may be nil.
	Request func(ctx context.Context, f Fault, req any) error
}

// WithKinds offers kinds of fault, like Injector.Offer.
func WithKinds(kinds ...Implementation) Option { return func(i *Injector) { i.Offer(kinds...) } }

// Offer adds kinds of fault. A kind replaces one of the same name. A nil Injector does
// nothing. It panics for a kind without a name.
func (i *Injector) Offer(kinds ...Implementation) {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	offered := slices.Clone(i.offered)
	for _, own := range kinds {
		if own.Name == "" {
			panic("chaos: Offer: kind without a name")
		}
		k := kind{Kind: own.Kind, check: own.Check}
		if own.Begin != nil {
			k.process = func(ctx context.Context, _ *Injector, f Fault) error { return own.Begin(ctx, f) }
		}
		if own.Request != nil {
			k.request = func(ctx context.Context, a active, _ func() float64) error { return own.Request(ctx, a.Fault, a.req) }
		}
		offered = slices.DeleteFunc(offered, func(o kind) bool { return o.Name == k.Name })
		offered = append(offered, k)
	}
	i.offered = offered
}

// Kinds returns the kinds of fault that the service takes: those of the package Kinds lists
// and those that it offers.
func (i *Injector) Kinds() []Kind {
	i.mu.RLock()
	defer i.mu.RUnlock()
	out := slices.DeleteFunc(Kinds(), func(k Kind) bool {
		return i.only || slices.ContainsFunc(i.offered, func(o kind) bool { return o.Name == k.Name })
	})
	for _, k := range i.offered {
		out = append(out, k.Kind)
	}
	return out
}

// kindNamed returns the kind with a name, or one without a name. The caller holds i.mu.
func (i *Injector) kindNamed(name string) kind {
	for _, k := range i.offered {
		if k.Name == name {
			return k
		}
	}
	for _, k := range kinds() {
		if k.Name == name && !i.only {
			return k
		}
	}
	return kind{}
}

// On reports whether a fault of a kind affects a request, and returns the fault. A service
// asks it for the kinds that it offers as switches. Of the fields that select requests,
// percent is honoured, and match with the members of the baggage in ctx. A nil Injector
// reports false.
func (i *Injector) On(ctx context.Context, kind string) (Fault, bool) {
	return i.OnCall(ctx, kind, "")
}

// OnCall is On for a call of a dependency. A fault without a dependency affects the calls of
// all of them.
func (i *Injector) OnCall(ctx context.Context, kind, dependency string) (Fault, bool) {
	if i == nil {
		return Fault{}, false
	}
	for _, a := range i.snapshot() {
		if a.Kind != kind || i.over(a) || a.Dependency != "" && a.Dependency != dependency ||
			!matches(ctx, a.Match, nil) || a.Percent > 0 && a.Percent < 100 && i.roll()*100 >= a.Percent {
			continue
		}
		return a.Fault, true
	}
	return Fault{}, false
}

// Package services runs the storefront's thirteen services. Each has a package and
// a store of its own. They share packages contracts, faults, problem and runtime only.
package services

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tenhop/tenhop/services/cart"
	"github.com/tenhop/tenhop/services/catalog"
	"github.com/tenhop/tenhop/services/checkout"
	"github.com/tenhop/tenhop/services/fraud"
	"github.com/tenhop/tenhop/services/gateway"
	"github.com/tenhop/tenhop/services/identity"
	"github.com/tenhop/tenhop/services/inventory"
	"github.com/tenhop/tenhop/services/loyalty"
	"github.com/tenhop/tenhop/services/notification"
	"github.com/tenhop/tenhop/services/order"
	"github.com/tenhop/tenhop/services/payment"
	"github.com/tenhop/tenhop/services/pricing"
	"github.com/tenhop/tenhop/services/runtime"
	"github.com/tenhop/tenhop/services/shipping"
)

// Definitions returns the services in the order in which a checkout calls them.
func Definitions() []runtime.Definition {
	return []runtime.Definition{
		gateway.Definition(), identity.Definition(), catalog.Definition(), cart.Definition(), checkout.Definition(),
		pricing.Definition(), loyalty.Definition(), inventory.Definition(), order.Definition(), payment.Definition(),
		fraud.Definition(), shipping.Definition(), notification.Definition(),
	}
}

// Names returns the services' names.
func Names() []string {
	var names []string
	for _, d := range Definitions() {
		names = append(names, d.Name)
	}
	return names
}

// Operations returns a service's operations, nil for an unknown one.
func Operations(name string) []string {
	for _, d := range Definitions() {
		if d.Name == name {
			return d.Operations
		}
	}
	return nil
}

// Events reports whether a service publishes or consumes events.
func Events(name string) bool {
	return slices.ContainsFunc(Definitions(), func(d runtime.Definition) bool { return d.Name == name && d.Events })
}

// Run runs one service until ctx ends.
func Run(ctx context.Context, name string, cfg runtime.Config) error {
	for _, d := range Definitions() {
		if d.Name == name {
			return runtime.Run(ctx, d, cfg)
		}
	}
	return fmt.Errorf("there is no service %q; the services are %s", name, strings.Join(Names(), ", "))
}

package chaos

import (
	"fmt"
	"slices"
)

// Validate reports what is wrong with the kind of a fault and the fields that the kind
// uses. Only the service's Injector knows its operations, its dependencies and the kinds
// that it offers itself.
func (f Fault) Validate() error {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.Name == f.Kind })
	if i < 0 {
		return fmt.Errorf("kind %q is unknown; the kinds are %s", f.Kind, kindNames(Kinds()))
	}
	return all[i].accepts(f)
}

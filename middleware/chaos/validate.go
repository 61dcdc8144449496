package chaos

import "fmt"

// Validate reports what is wrong with the kind of a fault and the fields that the kind
// uses. Only the service's Injector knows its operations and dependencies.
func (f Fault) Validate() error {
	k := kindNamed(f.Kind)
	if k.Name == "" {
		return fmt.Errorf("kind %q is unknown; the kinds are %s", f.Kind, kindNames())
	}
	return k.accepts(f)
}

package chaos

// WithOnlyKinds offers kinds of fault and none of the package's. It is for a program that
// is not the service itself, such as a proxy in front of it.
func WithOnlyKinds(kinds ...Implementation) Option {
	return func(i *Injector) {
		i.only = true
		i.Offer(kinds...)
	}
}

package adapter

import "fmt"

// Woven returns the result of build, which panics when a registry refuses its metrics. It
// then logs a warning and returns the zero value: a program into which the adapter was
// woven runs as without it. what names what is not measured, such as "HTTP servers".
func Woven[T any](t *Core, what string, build func() T) (built T) {
	defer func() {
		if reason := recover(); reason != nil {
			t.NotMeasured(what, fmt.Sprint(reason))
		}
	}()
	return build()
}

// NotMeasured logs that something is not measured.
func (t *Core) NotMeasured(what, reason string) {
	t.slog.Warn(what+" are not measured", "error", reason)
}

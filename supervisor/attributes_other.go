//go:build !linux

package supervisor

import "syscall"

// childAttributes puts a child into a process group of its own, so that a
// Ctrl-C reaches the supervisor alone. The lifeline ends it.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

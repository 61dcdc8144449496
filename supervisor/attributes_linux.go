package supervisor

import "syscall"

// childAttributes puts a child into a process group of its own, so that a
// Ctrl-C reaches the supervisor alone, and has the kernel end it with the
// thread that started it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

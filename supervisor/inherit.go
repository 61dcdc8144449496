package supervisor

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstInherited is the first inherited descriptor, as in sd_listen_fds(3).
const firstInherited = 3

// Inherited returns the sockets that this process was given, by name; none when
// it was given none.
func Inherited() (map[string]net.Listener, error) {
	out := map[string]net.Listener{}
	given := os.Getenv("LISTEN_FDS")
	if given == "" {
		return out, nil
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	n, err := strconv.Atoi(given)
	if err != nil || n != len(names) {
		return nil, fmt.Errorf("LISTEN_FDS=%s and LISTEN_FDNAMES=%s do not fit together", given, os.Getenv("LISTEN_FDNAMES"))
	}
	for i, name := range names {
		fd := firstInherited + i
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), name)
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("inherited descriptor %d (%s) is not a listening socket: %w", fd, name, err)
		}
		out[name] = l
	}
	return out, nil
}

package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// trim gives back the pages of the program's file that only its start has read:
// sixteen processes of one large binary each map tens of megabytes of
// initialisation. The kernel maps a page again, from its cache, when it is used.
func trim() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var mode string
		if !strings.HasSuffix(lines.Text(), " "+self) {
			continue
		}
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil {
			return err
		}
		if strings.Contains(mode, "w") {
			continue // private data, which cannot be read again from the file
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return nil
}

package acceptance_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	psnet "github.com/shirou/gopsutil/v4/net"
)

// checkListeners compares the sockets of all processes with up.json.
func checkListeners(t *testing.T, s *storefront) {
	announced := map[string]bool{}
	for _, addresses := range []map[string]string{s.state.Endpoints, s.state.Admin, s.state.Addresses} {
		for _, value := range addresses {
			if u, err := url.Parse(value); err == nil && u.Host != "" {
				value = u.Host
			}
			announced[value] = true
		}
	}
	listening, missing := map[string]bool{}, []string{}
	for process, pid := range s.state.PIDs {
		conns, err := psnet.ConnectionsPid("inet", int32(pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			const datagram = 2 // SOCK_DGRAM
			if c.Status != "LISTEN" && (c.Type != datagram || c.Raddr.Port != 0) {
				continue
			}
			address := fmt.Sprintf("%s:%d", c.Laddr.IP, c.Laddr.Port)
			listening[address] = true
			if !announced[address] {
				missing = append(missing, process+" "+address)
			}
		}
	}
	figure(t, len(missing) == 0 && len(listening) == len(announced), "listeners missing in up.json", "0", "%d of %d, %d announced %s",
		len(missing), len(listening), len(announced), strings.Join(missing, ", "))
}

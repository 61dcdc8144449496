package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// DNSInterval is the interval between two lookups, the TTL of Kubernetes' own records.
const DNSInterval = 5 * time.Second

// DNS returns a watch of the addresses of the host service+suffix, such as those of a
// headless service of Kubernetes. All instances have one port. A nil resolver means the
// system's.
func DNS(resolver *net.Resolver, suffix string, port uint16, interval time.Duration) Watch {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return func(ctx context.Context, service string, report func([]string)) error {
		for {
			found, err := lookUp(ctx, resolver, service+suffix)
			if err != nil {
				return err
			}
			addresses := make([]string, len(found))
			for i, a := range found {
				addresses[i] = net.JoinHostPort(a.Unmap().String(), strconv.Itoa(int(port)))
			}
			report(addresses)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(interval):
			}
		}
	}
}

// lookUp returns no addresses for a name that does not exist, as a headless service without
// a ready instance.
func lookUp(ctx context.Context, r *net.Resolver, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, DNSInterval)
	defer cancel()
	found, err := r.LookupNetIP(ctx, "ip", host)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, nil
	}
	return found, err
}

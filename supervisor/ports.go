package supervisor

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// knownPorts are the ports of the programs that the parts stand for.
var knownPorts = map[string]int{
	"otlp_grpc": 4317, "otlp_http": 4318, "jaeger": 16686, "jaeger_thrift": 14268, "prometheus": 9090,
	"loki": 3100, "kafka": 9092, "redis": 6379, gateway: 8080, "console": 8000,
}

// listen opens a socket on loopback: on the known port of name, on any free
// one when there is none, when free is set, or when that port is taken, which
// is what taken reports.
func listen(name string, free bool) (l *net.TCPListener, taken bool, err error) {
	port := knownPorts[name]
	if free {
		port = 0
	}
	l, err = listenTCP(port)
	if port != 0 && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES)) {
		taken = true
		l, err = listenTCP(0)
	}
	if err != nil {
		return nil, taken, fmt.Errorf("open a socket for %s: %w", name, err)
	}
	return l, taken, nil
}

func listenTCP(port int) (*net.TCPListener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// Package runtime runs a service of the storefront: configuration from the
// environment, name resolution, the admin port, stores with migrations, and
// graceful shutdown.
package runtime

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/tenhop/tenhop/services/runtime/discovery"
)

// Config configures a service process.
type Config struct {
	Instance string       // service.instance.id
	Listener net.Listener // of the service's API; nil for Kafka-only services
	Admin    net.Listener // /metrics, /healthz, /readyz, /chaos
	Resolver Resolver
	Consul   *discovery.Consul // with which the service registers; nil for none
	Store    string            // sqlite:///path or postgres://…
	Redis    string            // host:port
	Kafka    Brokers
	Search   string // URL of Elasticsearch or OpenSearch, which catalog searches; empty for its store
	AMQP     string // amqp://user:password@host:port/vhost of RabbitMQ, which then carries the events instead of Kafka
	Instruments
	ChaosToken string        // of the chaos and pprof endpoints, which are off without it
	JaegerURL  string        // thrift over HTTP, for the legacy service
	TLS        *Certificates // of the calls between services; nil for plain text
	Version    string
	LogWriter  io.Writer

	MaxInFlight uint // requests that the gateway handles at a time; 0 for its default
}

// ConfigFromEnv reads the configuration of `tenhop service NAME` and opens its
// listeners:
//
//	TENHOP_LISTEN, TENHOP_ADMIN_LISTEN   host:port; :8080 and :9464 otherwise
//	LISTEN_FDS, LISTEN_FDNAMES           inherited sockets (main, admin)
//	TENHOP_RESOLVE                       payment=host:port,host:port;fraud=host:port
//	TENHOP_ADDR_PAYMENT, TENHOP_DNS_SUFFIX  for services that TENHOP_RESOLVE does not list
//	TENHOP_DISCOVERY                     consul, kubernetes or dns: follow instances, see discover.go
//	TENHOP_STORE, TENHOP_REDIS, TENHOP_KAFKA, TENHOP_CHAOS_TOKEN, TENHOP_INSTANCE
//	TENHOP_SEARCH                        URL of Elasticsearch or OpenSearch, for catalog
//	TENHOP_AMQP                          amqp://…, for events over RabbitMQ instead of Kafka
//	TENHOP_INSTRUMENTS                   composed or none, instead of the middleware
//	TENHOP_MAX_IN_FLIGHT                 requests that the gateway handles at a time; 512 by default
//	JAEGER_ENDPOINT                      collector of the legacy service's spans
//	TENHOP_TLS_CA, TENHOP_TLS_CERT, TENHOP_TLS_KEY  PEM files, for mutual TLS between services
func ConfigFromEnv() (Config, error) {
	c := Config{
		Instance:   os.Getenv("TENHOP_INSTANCE"),
		Store:      os.Getenv("TENHOP_STORE"),
		Redis:      os.Getenv("TENHOP_REDIS"),
		Search:     os.Getenv("TENHOP_SEARCH"),
		AMQP:       os.Getenv("TENHOP_AMQP"),
		ChaosToken: os.Getenv("TENHOP_CHAOS_TOKEN"),
		JaegerURL:  os.Getenv("JAEGER_ENDPOINT"),
		Version:    os.Getenv("TENHOP_VERSION"),
		LogWriter:  os.Stdout,
	}
	if k := os.Getenv("TENHOP_KAFKA"); k != "" {
		c.Kafka = strings.Split(k, ",")
	}
	if most := os.Getenv("TENHOP_MAX_IN_FLIGHT"); most != "" {
		n, err := strconv.ParseUint(most, 10, 31)
		if err != nil || n == 0 {
			return Config{}, fmt.Errorf("TENHOP_MAX_IN_FLIGHT=%q is not a number of requests above 0", most)
		}
		c.MaxInFlight = uint(n)
	}
	var err error
	if c.Resolver, err = ParseResolver(os.Getenv("TENHOP_RESOLVE"), os.Getenv("TENHOP_DNS_SUFFIX")); err != nil {
		return Config{}, err
	}
	if err := c.discover(); err != nil {
		return Config{}, err
	}
	if c.Instruments, err = instrumentsFromEnv(); err != nil {
		return Config{}, err
	}
	if c.TLS, err = certificatesFromEnv(); err != nil {
		return Config{}, err
	}
	if os.Getenv("LISTEN_FDS") != "" {
		err = c.inherit()
	} else {
		err = c.listen()
	}
	return c, err
}

func (c *Config) listen() error {
	var errs [2]error
	c.Listener, errs[0] = listenOn("TENHOP_LISTEN", ":8080")
	c.Admin, errs[1] = listenOn("TENHOP_ADMIN_LISTEN", ":9464")
	return errors.Join(errs[:]...)
}

func listenOn(variable, fallback string) (net.Listener, error) {
	addr := os.Getenv(variable)
	if addr == "" {
		addr = fallback
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; set %s to a free address", addr, err, variable)
	}
	return l, nil
}

// firstInherited is the first inherited descriptor (sd_listen_fds(3)).
const firstInherited = 3

func (c *Config) inherit() error {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 1 || n > 16 {
		return fmt.Errorf("LISTEN_FDS=%q is not a number of sockets", os.Getenv("LISTEN_FDS"))
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		syscall.CloseOnExec(firstInherited + i)
		f := os.NewFile(uintptr(firstInherited+i), "inherited")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("inherited descriptor %d is not a listening socket: %w", firstInherited+i, err)
		}
		name := ""
		if i < len(names) {
			name = names[i]
		}
		switch name {
		case "main":
			c.Listener = l
		case "admin":
			c.Admin = l
		default:
			return fmt.Errorf("LISTEN_FDNAMES=%q: socket %d must be main or admin", os.Getenv("LISTEN_FDNAMES"), i)
		}
	}
	if c.Admin == nil {
		return errors.New("LISTEN_FDNAMES names no admin socket")
	}
	return nil
}

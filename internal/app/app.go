// Package app assembles the programs behind the verbs of the tenhop command:
// the stack with the console in one process, and access to a running storefront for
// faults, drills and completion. Tests start its values on free ports.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tenhop/tenhop/alerts"
	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/internal/connlimit"
	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/services/contracts"
	"github.com/tenhop/tenhop/signals"
	"github.com/tenhop/tenhop/stack"
	"github.com/tenhop/tenhop/stack/endpoint"
	"github.com/tenhop/tenhop/supervisor"
	"github.com/tenhop/tenhop/watch"
)

// PartConsole is the part that serves the console, beside the parts of the stack.
const PartConsole = "console"

// Parts returns the names of all parts.
func Parts() []string {
	var names []string
	for _, p := range stack.Parts() {
		names = append(names, string(p))
	}
	return append(names, PartConsole)
}

// Config configures a Server.
type Config struct {
	WorkDir string   // contains .tenhop; the current directory if empty
	Parts   []string // all if empty

	// Stack configures the stack. Its Parts are ignored. Empty paths are in
	// .tenhop, nil Rules are the built-in ones, nil Topics those of the storefront,
	// and Addresses may also have the console's address.
	Stack   stack.Config
	Console Console

	// Inherited holds the sockets that a supervisor passed on. If it includes an admin
	// socket, the supervisor holds WorkDir and announces the endpoints.
	Inherited supervisor.Inheritance
}

// Console configures the console.
type Console struct {
	Prometheus string // URL of the Prometheus to query; that of the stack if empty
	Jaeger     string // URL of the Jaeger to query; that of the stack if empty
	Tempo      string // URL of the Tempo to query instead
	Loki       string // URL of the Loki to query; that of the stack if empty
	Clients    query.Clients
	Labels     signals.Labels // label names in that Prometheus that differ from the conventions
	Dashboards fs.FS          // Grafana dashboards; the built-in ones if nil
	Token      string         // bearer token that faults and drills require; they are disabled if empty
	Watch      string         // URL of the `tenhop watch` whose incidents it shows; those in .tenhop/watch if empty
	WatchToken string         // bearer token of it, or empty
	Hosts      []string       // names under which it is reached, beside localhost and IP addresses
}

// adminSocket is the inherited socket for health checks.
const adminSocket = "admin"

// AddressInUseError reports that an address in Config.Stack.Addresses is in use.
type AddressInUseError struct{ Endpoint, Address string }

// Error implements error.
func (e *AddressInUseError) Error() string {
	return fmt.Sprintf("listen for %s: %s is in use", e.Endpoint, e.Address)
}

// Server runs parts of the stack and the console. Create it with Start and end it
// with Close.
type Server struct {
	supervised bool
	targets    string
	endpoints  map[string]string
	moved      map[string]string
	closers    []func(context.Context) error
}

// Start starts the parts and returns when all of them serve. It holds the state
// directory and announces the endpoints in up.json, unless a supervisor does so or the
// console runs alone. A console that runs alone reads from other programs.
//
// Start fails with a *supervisor.HeldError if another process holds the directory; it
// has changed nothing there then. It fails with an *AddressInUseError if a configured
// address is in use. A default address that is in use is replaced by a free one, which
// Moved reports.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{endpoints: map[string]string{}, moved: map[string]string{}}
	if err := s.start(ctx, c); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, s.Close(stop))
	}
	return s, nil
}

// closeTimeout is the timeout of the shutdown after a failed start.
const closeTimeout = 5 * time.Second

func (s *Server) start(ctx context.Context, c Config) error {
	s.onClose(func(context.Context) error {
		for _, l := range c.Inherited.Listeners {
			_ = l.Close() // most are closed already, by their servers
		}
		for _, conn := range c.Inherited.PacketConns {
			_ = conn.Close()
		}
		return nil
	})
	d, err := supervisor.In(c.WorkDir)
	if err != nil {
		return err
	}
	parts, withConsole, err := split(c.Parts)
	if err != nil {
		return err
	}
	admin := c.Inherited.Listeners[adminSocket]
	s.supervised = admin != nil
	var hold *supervisor.Hold
	if len(parts) > 0 && !s.supervised {
		if hold, err = d.Hold(); err != nil {
			return err
		}
		s.onClose(func(context.Context) error { return hold.Release() })
	}
	cfg, err := stackConfig(c, d, parts)
	if err != nil {
		return err
	}
	s.targets = cfg.TargetsFile
	var page net.Listener
	if withConsole {
		if page, err = s.listenConsole(c); err != nil {
			return err
		}
		cfg.ConsoleURL = &url.URL{Scheme: "http", Host: endpoint.Reachable(page.Addr().String())}
	}
	history := History(cfg.DataDir)
	delivery := s.delivery(d)
	cfg.Collectors = append(cfg.Collectors, drill.NewCollector(history), watch.NewCollector(watch.NewArchive(d.Path("watch")).Incidents), delivery)
	if len(parts) > 0 {
		if err := s.startStack(ctx, cfg); err != nil {
			return err
		}
	}
	if s.endpoints[endpoint.Prometheus] != "" {
		s.renew(delivery, cfg.Logger)
	}
	if page != nil {
		if err := s.serveConsole(c, page, cfg.Logger, history); err != nil {
			return err
		}
	}
	if s.supervised {
		srv := &http.Server{Handler: http.HandlerFunc(health), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
		go func() { _ = srv.Serve(connlimit.Listener(admin, connlimit.Default)) }() // Close ends it
		s.onClose(func(context.Context) error { return srv.Close() })
	}
	if hold == nil {
		return nil
	}
	now := time.Now()
	return hold.Announce(supervisor.State{Endpoints: s.endpoints, PIDs: map[string]int{"stack": os.Getpid()}, StartedAt: now, ReadyAt: &now})
}

// split separates the parts of the stack from the console.
func split(names []string) (parts []stack.Part, withConsole bool, err error) {
	if len(names) == 0 {
		return stack.Parts(), true, nil
	}
	for _, name := range names {
		switch {
		case name == PartConsole:
			withConsole = true
		case slices.Contains(stack.Parts(), stack.Part(name)):
			parts = append(parts, stack.Part(name))
		default:
			return nil, false, fmt.Errorf("part %q is not known; the parts are %v", name, Parts())
		}
	}
	return parts, withConsole, nil
}

// stackConfig completes c.Stack and creates the files that the parts expect.
func stackConfig(c Config, d supervisor.Dir, parts []stack.Part) (stack.Config, error) {
	cfg := c.Stack
	cfg.Parts = parts
	cfg.TargetsFile = cmp.Or(cfg.TargetsFile, d.Path("targets.json"))
	var own []string // directories in .tenhop
	for name, path := range map[string]*string{"data": &cfg.DataDir, "logs": &cfg.LogsDir} {
		if *path == "" {
			*path = d.Path(name)
			own = append(own, name)
		}
	}
	if cfg.Rules == nil {
		cfg.Rules = alerts.FS
	}
	if cfg.Topics == nil {
		cfg.Topics = []string{contracts.TopicOrdersPlaced, contracts.TopicShipmentsCreated}
	}
	cfg.Addresses = maps.Clone(cfg.Addresses)
	delete(cfg.Addresses, endpoint.Console)
	cfg.Listeners = maps.Clone(c.Inherited.Listeners)
	delete(cfg.Listeners, endpoint.Console)
	delete(cfg.Listeners, adminSocket)
	cfg.PacketConns = c.Inherited.PacketConns
	if len(parts) == 0 {
		return cfg, nil
	}
	if err := d.Make(own...); err != nil {
		return cfg, err
	}
	if err := os.MkdirAll(cfg.LogsDir, 0o700); err != nil {
		return cfg, err
	}
	if slices.Contains(parts, stack.Prometheus) {
		return cfg, createTargets(cfg.TargetsFile)
	}
	return cfg, nil
}

// createTargets creates an empty list of scrape targets for the user to edit.
func createTargets(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("[]\n")
	return errors.Join(err, f.Close())
}

func (s *Server) startStack(ctx context.Context, cfg stack.Config) error {
	running, err := stack.Start(ctx, cfg)
	if err != nil {
		return err
	}
	s.onClose(running.Close)
	for name, wanted := range running.Moved() {
		if cfg.Addresses[name] != "" {
			return &AddressInUseError{name, wanted}
		}
		s.moved[name] = wanted
	}
	maps.Copy(s.endpoints, running.Endpoints())
	return nil
}

// Endpoints returns the announced address of each endpoint.
func (s *Server) Endpoints() map[string]string { return s.endpoints }

// Moved returns the endpoints whose default address was in use, with that address.
func (s *Server) Moved() map[string]string { return s.moved }

// Supervised reports whether a supervisor holds the state directory and has passed
// on the sockets.
func (s *Server) Supervised() bool { return s.supervised }

// TargetsFile returns the path of the list of scrape targets.
func (s *Server) TargetsFile() string { return s.targets }

// Close stops the console and the stack and releases the state directory.
// Requests in flight may finish until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	for _, stop := range slices.Backward(s.closers) {
		errs = append(errs, stop(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *Server) onClose(stop func(context.Context) error) { s.closers = append(s.closers, stop) }

// health answers health checks. It serves only after everything has started.
func health(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/readyz", "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		http.NotFound(w, r)
	}
}

// History returns the history of drills in a data directory.
func History(dataDir string) *drill.History {
	return drill.NewHistory(filepath.Join(dataDir, "drills.jsonl"))
}

//go:build unix

package storetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Debian's RabbitMQ and Erlang's registry of names.
const (
	rabbitmqServer = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	epmd           = "/usr/bin/epmd"
)

// Server is a RabbitMQ of a test's own, which the test can kill and start again.
type Server struct {
	URL string

	t       *testing.T
	dir     string
	port    int
	names   int // port of the registry of names
	process *exec.Cmd
}

// StartRabbitMQ starts a RabbitMQ of the test's own. It skips the test if RabbitMQ is not
// installed.
func StartRabbitMQ(t *testing.T) *Server {
	t.Helper()
	for _, program := range []string{rabbitmqServer, epmd} {
		if _, err := os.Stat(program); err != nil {
			t.Skipf("NOT TESTED ON A RabbitMQ THAT RESTARTS: %v; apt-get install rabbitmq-server", err)
		}
	}
	s := &Server{t: t, dir: t.TempDir(), port: freePort(t), names: freePort(t)}
	s.URL = fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.port)
	registry := s.command(epmd, "-port", strconv.Itoa(s.names), "-address", "127.0.0.1")
	if err := registry.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(registry) })
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

// Start starts the server and waits until it accepts connections.
func (s *Server) Start() {
	s.t.Helper()
	began := time.Now()
	s.process = s.command(rabbitmqServer)
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for time.Since(began) < 8*time.Minute {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port)); err == nil {
			_ = c.Close()
			s.t.Logf("RabbitMQ started in %s", time.Since(began).Round(100*time.Millisecond))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	said, _ := os.ReadFile(filepath.Join(s.dir, "out"))
	s.t.Fatalf("RabbitMQ does not start:\n%s", said)
}

// Kill ends the server as a crash does.
func (s *Server) Kill() {
	if s.process != nil {
		end(s.process)
		s.process = nil
	}
}

func end(c *exec.Cmd) {
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	_ = c.Wait()
}

// command returns a command in a process group of its own, whose files are in the test's
// folder.
func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = s.dir
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := os.OpenFile(filepath.Join(s.dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = out.Close() })
	c.Stdout, c.Stderr = out, out
	none := filepath.Join(s.dir, "none")
	c.Env = append(os.Environ(), "HOME="+s.dir, "ERL_CRASH_DUMP="+filepath.Join(s.dir, "erl_crash.dump"),
		"ERL_EPMD_PORT="+strconv.Itoa(s.names), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_NODENAME=tenhop"+strconv.Itoa(s.port)+"@localhost",
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1", "RABBITMQ_NODE_PORT="+strconv.Itoa(s.port), "RABBITMQ_DIST_PORT="+strconv.Itoa(freePort(s.t)),
		"RABBITMQ_MNESIA_BASE="+s.dir, "RABBITMQ_LOG_BASE="+s.dir, "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(s.dir, "plugins"),
		"RABBITMQ_CONF_ENV_FILE="+none, "RABBITMQ_CONFIG_FILE="+none,
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}")
	return c
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

//go:build linux

package quiet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/load"
)

// change is a part of ordinary life. begin returns a function that ends it.
type change struct {
	name  string
	begin func(context.Context) (end func(), err error)
}

// Services of which a second process may run on the same store.
var services = []string{"catalog", "pricing", "loyalty", "inventory", "payment", "fraud", "identity", "order"}

// changes returns the parts of ordinary life. Each is one step: it stays as it is.
func (w *watch) changes(rng *rand.Rand) []change {
	deployed, scaled := services[rng.IntN(len(services))], services[rng.IntN(len(services))]
	return []change{
		{"deployment of " + deployed, func(context.Context) (func(), error) { return func() {}, w.deploy(deployed) }},
		{scaled + " from 1 to 3", func(ctx context.Context) (func(), error) { return w.scale(ctx, scaled, 3) }},
		{"traffic × 3", func(ctx context.Context) (func(), error) { return w.traffic(ctx, 2) }},
		{"cache flushed", func(ctx context.Context) (func(), error) { return func() {}, w.flush(ctx) }},
	}
}

// deploy replaces the program by one that starts services with another version, and ends
// a service's process. The supervisor starts it again on the same socket.
func (w *watch) deploy(service string) error {
	st, err := w.state.Read()
	if err != nil {
		return err
	}
	first, next := w.Program+"-1", w.Program+"-2"
	if err := os.Link(w.Program, first); err != nil {
		return err
	}
	script := fmt.Sprintf("#!/bin/sh\nTENHOP_VERSION=v2 exec '%s' \"$@\"\n", first)
	if err := os.WriteFile(next, []byte(script), 0o755); err != nil { //nolint:gosec // it is a program
		return err
	}
	if err := os.Rename(next, w.Program); err != nil {
		return err
	}
	return syscall.Kill(st.PIDs[service], syscall.SIGTERM)
}

// scale starts more processes of a service, with the environment of the first, and adds
// them to the scrape targets. The addresses of callers are fixed, so the new ones take no
// requests: what changes is what Prometheus sees.
func (w *watch) scale(ctx context.Context, service string, to int) (func(), error) {
	st, err := w.state.Read()
	if err != nil {
		return nil, err
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", st.PIDs[service]))
	if err != nil {
		return nil, err
	}
	var env []string
	for _, e := range strings.Split(strings.Trim(string(environ), "\x00"), "\x00") {
		// Without the descriptor of its lifeline a process would end at once.
		if !strings.HasPrefix(e, "LISTEN_") && !strings.HasPrefix(e, "TENHOP_INSTANCE=") && !strings.HasPrefix(e, "TENHOP_LIFELINE_FD=") {
			env = append(env, e)
		}
	}
	var all []*exec.Cmd
	end := func() {
		for _, c := range all {
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
		}
	}
	file := w.state.Path("targets.json")
	var targets []map[string]any
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(content, &targets); err != nil {
		return nil, err
	}
	for i := 2; i <= to; i++ {
		main, admin, err := twoPorts()
		if err != nil {
			return nil, errors.Join(err, w.stopAfter(end))
		}
		name := fmt.Sprintf("%s-%d", service, i)
		c := exec.CommandContext(ctx, w.Program, "service", service)
		c.Env = append(env, "TENHOP_LISTEN="+main, "TENHOP_ADMIN_LISTEN="+admin, "TENHOP_INSTANCE="+name)
		c.Dir = w.Dir
		if err := c.Start(); err != nil {
			return nil, errors.Join(err, w.stopAfter(end))
		}
		all = append(all, c)
		targets = append(targets, map[string]any{"targets": []string{admin}, "labels": map[string]string{"job": service, "instance": name}})
	}
	more, err := json.MarshalIndent(targets, "", "  ")
	if err != nil {
		return nil, errors.Join(err, w.stopAfter(end))
	}
	if err := replace(file, more); err != nil {
		return nil, errors.Join(err, w.stopAfter(end))
	}
	return func() {
		// A scale-down removes the targets before the processes.
		_ = replace(file, bytes.TrimSpace(content))
		time.Sleep(3 * time.Second)
		end()
	}, nil
}

func (w *watch) stopAfter(end func()) error {
	end()
	return nil
}

func replace(file string, content []byte) error {
	next := file + ".quiet"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// twoPorts returns two addresses that were free.
func twoPorts() (main, admin string, err error) {
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses[0], addresses[1], nil
}

// traffic adds a multiple of the usual requests.
func (w *watch) traffic(ctx context.Context, times float64) (func(), error) {
	const usual = 20 // requests/s
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = load.Run(ctx, load.Config{Gateway: w.Endpoints["gateway"], RPS: usual * times, Seed: 11})
	}()
	return func() { cancel(); <-done }, nil
}

// flush empties Redis, which holds the carts.
func (w *watch) flush(ctx context.Context) error {
	client := redis.NewClient(&redis.Options{Addr: w.Endpoints["redis"]})
	return errors.Join(client.FlushAll(ctx).Err(), client.Close())
}

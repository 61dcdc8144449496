package redismw_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/tenhop/tenhop/middleware/adapter"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/redismw"
)

// A pipeline and a transaction are one call of the request, whatever fails in them. The
// error is that of the member that failed, not that of the first or of EXEC.
func TestPipelinesAreOneCall(t *testing.T) {
	for _, c := range []struct {
		why       string
		tx        bool
		commands  func(ctx context.Context, p redis.Pipeliner)
		operation string
		size      string
		errorType string
	}{
		{"two commands", false, func(ctx context.Context, p redis.Pipeliner) { p.Set(ctx, "a", 1, 0); p.Get(ctx, "a") }, "PIPELINE", "2", ""},
		{"one command is no batch", false, func(ctx context.Context, p redis.Pipeliner) { p.Get(ctx, "text") }, "PIPELINE", "", ""},
		{"a missing key", false, func(ctx context.Context, p redis.Pipeliner) { p.Get(ctx, "none"); p.Get(ctx, "text") }, "PIPELINE", "2", ""},
		{"the second fails", false, func(ctx context.Context, p redis.Pipeliner) { p.Get(ctx, "text"); p.LPush(ctx, "text", 1) }, "PIPELINE", "2", "WRONGTYPE"},
		{"the last fails behind a missing key", false, func(ctx context.Context, p redis.Pipeliner) {
			p.Get(ctx, "none")
			p.Get(ctx, "text")
			p.LPush(ctx, "text", 1)
		}, "PIPELINE", "3", "WRONGTYPE"},
		{"a transaction", true, func(ctx context.Context, p redis.Pipeliner) { p.Set(ctx, "a", 1, 0); p.Get(ctx, "a") }, "PIPELINE", "2", ""},
		{"a member of a transaction fails", true, func(ctx context.Context, p redis.Pipeliner) { p.Set(ctx, "a", 1, 0); p.LPush(ctx, "text", 1) }, "PIPELINE", "2", "WRONGTYPE"},
	} {
		t.Run(c.why, func(t *testing.T) {
			client, tel, spans, reg := newClient(t, 1)
			if err := client.Set(t.Context(), "text", "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
			before := len(spans.Ended())
			ctx, h := tel.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
			run := client.Pipelined
			if c.tx {
				run = client.TxPipelined
			}
			_, _ = run(ctx, func(p redis.Pipeliner) error { c.commands(ctx, p); return nil })
			h.End(adapter.Outcome{Quiet: true})
			calls := slices.DeleteFunc(spans.Ended()[before:], func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "GET /" })
			if len(calls) != 1 {
				t.Fatalf("%d calls, want 1: %v", len(calls), names(calls))
			}
			if got := attribute(calls[0], "db.operation.batch.size"); got != c.size || calls[0].Name() != c.operation {
				t.Errorf("%s of size %q, want %s of %q", calls[0].Name(), got, c.operation, c.size)
			}
			if got := attribute(calls[0], "error.type"); got != c.errorType {
				t.Errorf("error.type %q, want %q", got, c.errorType)
			}
			if got := counted(t, reg, c.operation, c.errorType); got != 1 {
				t.Errorf("%d in db_client_operation_duration_seconds with error_type %q", got, c.errorType)
			}
		})
	}
}

// A server aborts a transaction with a command that it refuses.
func TestRefusedMemberOfATransaction(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	client := redis.NewClient(&redis.Options{Protocol: 2, MaxRetries: -1, Addr: serve(t, func(command string) string {
		switch command {
		case "SET":
			return "+QUEUED\r\n"
		case "NOSUCH":
			return "-ERR unknown command 'NOSUCH'\r\n"
		case "EXEC":
			return "-EXECABORT Transaction discarded because of previous errors.\r\n"
		}
		return modern(command)
	})})
	defer client.Close()
	if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(newTelemetry(t, spans, prometheus.NewRegistry()))); err != nil {
		t.Fatal(err)
	}
	_, err := client.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), "a", 1, 0)
		p.Do(t.Context(), "NOSUCH")
		return nil
	})
	if err == nil {
		t.Fatal("the transaction succeeded")
	}
	if got := names(spans.Ended()); len(got) != 1 || attribute(spans.Ended()[0], "error.type") != "ERR" {
		t.Errorf("spans %v, error.type %q, want one with ERR", got, attribute(spans.Ended()[0], "error.type"))
	}
}

// What go-redis sends to set up a connection is no call of the request, and an old
// server's errors in it are none of the request's.
func TestConnectionSetUpIsNoCall(t *testing.T) {
	for _, c := range []struct {
		why     string
		server  func(command string) string // its answer
		options func(*redis.Options)
		want    string // error.type of the request's command
	}{
		{"a server of today", modern, func(*redis.Options) {}, ""},
		{"a server without HELLO and CLIENT SETINFO", refuse("HELLO", "CLIENT"), func(*redis.Options) {}, ""},
		{"with a database, a password and a name", refuse("HELLO"), func(o *redis.Options) { o.DB, o.Password, o.ClientName = 2, "secret", "shop" }, ""},
		{"commands of OnConnect", modern, func(o *redis.Options) {
			o.OnConnect = func(ctx context.Context, conn *redis.Conn) error { return conn.Ping(ctx).Err() }
		}, ""},
		{"a wrong password fails the command that needs the connection", refuse("HELLO", "AUTH"), func(o *redis.Options) { o.Password = "wrong" }, "ERR"},
	} {
		t.Run(c.why, func(t *testing.T) {
			spans, reg := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
			tel := newTelemetry(t, spans, reg)
			o := &redis.Options{Addr: serve(t, c.server), PoolSize: 1, MaxRetries: -1}
			c.options(o)
			client := redis.NewClient(o)
			defer client.Close()
			if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(tel)); err != nil {
				t.Fatal(err)
			}
			ctx, h := tel.Core().Begin(t.Context(), adapter.Incoming{Protocol: "http", Operation: "GET /"})
			if err := client.Set(ctx, "a", 1, 0).Err(); (err != nil) != (c.want != "") {
				t.Fatal(err)
			}
			h.End(adapter.Outcome{Quiet: true})
			got := names(spans.Ended())
			if !slices.Equal(got, []string{"SET", "GET /"}) {
				t.Fatalf("spans %v, want SET alone", got)
			}
			if e := attribute(spans.Ended()[0], "error.type"); e != c.want {
				t.Errorf("error.type %q, want %q", e, c.want)
			}
		})
	}
}

// A subscription sets up a connection outside of any command.
func TestSetUpOfASubscriptionIsNoCall(t *testing.T) {
	spans, reg := tracetest.NewSpanRecorder(), prometheus.NewRegistry()
	tel := newTelemetry(t, spans, reg)
	client := redis.NewClient(&redis.Options{Addr: serve(t, refuse("HELLO", "CLIENT")), DB: 1, Password: "secret"})
	defer client.Close()
	if err := redismw.Instrument(client, "carts", redismw.WithTelemetry(tel)); err != nil {
		t.Fatal(err)
	}
	sub := client.Subscribe(t.Context(), "orders")
	defer sub.Close()
	if got := names(spans.Ended()); len(got) != 0 {
		t.Errorf("spans %v, want none", got)
	}
}

// modern is a server of today.
func modern(command string) string {
	if command == "HELLO" {
		return "%1\r\n+proto\r\n:3\r\n"
	}
	return "+OK\r\n"
}

// refuse answers OK to all commands but those.
func refuse(commands ...string) func(string) string {
	return func(command string) string {
		if slices.Contains(commands, command) {
			return "-ERR unknown command '" + command + "'\r\n"
		}
		return "+OK\r\n"
	}
}

// serve starts a server that answers commands by their first word, until the test ends.
func serve(t *testing.T, answer func(command string) string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					command, err := readCommand(r)
					if err != nil {
						return
					}
					_, _ = conn.Write([]byte(answer(command)))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// readCommand reads an array of bulk strings and returns the first in capitals.
func readCommand(r *bufio.Reader) (first string, err error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return "", err
	}
	for i := range n {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return "", err
		}
		word := make([]byte, size+2)
		for have := 0; have < len(word); {
			m, err := r.Read(word[have:])
			if err != nil {
				return "", err
			}
			have += m
		}
		if i == 0 {
			first = strings.ToUpper(string(word[:size]))
		}
	}
	if first == "" {
		return "", errors.New("an empty command")
	}
	return first, nil
}

func names(spans []sdktrace.ReadOnlySpan) []string {
	var all []string
	for _, s := range spans {
		all = append(all, s.Name())
	}
	return all
}

func attribute(s sdktrace.ReadOnlySpan, key string) string {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.String()
		}
	}
	return ""
}

// counted returns the number of calls with the operation and the error type.
func counted(t *testing.T, reg *prometheus.Registry, operation, errorType string) (n uint64) {
	t.Helper()
	mfs, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, mf := range mfs {
		if mf.GetName() != "db_client_operation_duration_seconds" {
			continue
		}
		for _, m := range mf.GetMetric() {
			have := map[string]string{}
			for _, l := range m.GetLabel() {
				have[l.GetName()] = l.GetValue()
			}
			if have["db_operation_name"] == operation && have["error_type"] == errorType {
				n += m.GetHistogram().GetSampleCount()
			}
		}
	}
	return n
}

func newTelemetry(t *testing.T, spans *tracetest.SpanRecorder, reg *prometheus.Registry) *hop.Telemetry {
	t.Helper()
	tel, err := hop.New(hop.WithServiceName("cart"), hop.WithRegistry(reg), hop.WithZerolog(zerolog.New(io.Discard)),
		hop.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

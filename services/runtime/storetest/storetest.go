// Package storetest runs a service's tests on every store and broker that the
// service supports: the embedded stand-ins always, the real servers when their
// addresses are known:
//
//	TENHOP_TEST_POSTGRES  URL of a server on which the user may create databases
//	TENHOP_TEST_REDIS     host:port of a Redis or Valkey that may be emptied
//	TENHOP_TEST_KAFKA     host:port of a broker that creates topics by itself
//	TENHOP_TEST_AMQP      URL of a RabbitMQ
//	TENHOP_TEST_SEARCH    URL of an Elasticsearch or OpenSearch in which indexes may be made
//
// deploy/real/run starts all of them and sets the variables.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/tenhop/tenhop/middleware/mwtest"
	"github.com/tenhop/tenhop/services/runtime"
)

// Each runs test once per database, with an environment whose store is new and
// empty.
func Each(t *testing.T, service string, test func(t *testing.T, e *runtime.Env)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, env(t, service, "sqlite://"+filepath.Join(t.TempDir(), service+".db")))
	})
	t.Run("postgres", func(t *testing.T) { test(t, env(t, service, Postgres(t))) })
}

// EachRedis runs test on a new miniredis and on the real server, emptied.
func EachRedis(t *testing.T, test func(t *testing.T, addr string)) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) { test(t, miniredis.RunT(t).Addr()) })
	t.Run("redis", func(t *testing.T) { test(t, Redis(t)) })
}

// Postgres returns the URL of a new database on the real server.
func Postgres(t *testing.T) string {
	t.Helper()
	return database(t, address(t, "PostgreSQL", "TENHOP_TEST_POSTGRES"))
}

// Redis returns the address of the real server, emptied.
func Redis(t *testing.T) string {
	t.Helper()
	addr := address(t, "Redis", "TENHOP_TEST_REDIS")
	client := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true})
	defer client.Close()
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatalf("empty the server for the test: %v", err)
	}
	return addr
}

// Kafka returns the addresses of the real broker.
func Kafka(t *testing.T) []string {
	t.Helper()
	return []string{address(t, "Apache Kafka", "TENHOP_TEST_KAFKA")}
}

// Search returns the URL of the real search engine.
func Search(t *testing.T) string {
	t.Helper()
	return address(t, "OpenSearch", "TENHOP_TEST_SEARCH")
}

func address(t *testing.T, server, variable string) string {
	t.Helper()
	addr := os.Getenv(variable)
	if addr == "" {
		t.Skipf("NOT TESTED ON %s: %s is not set; deploy/real/run sets it", server, variable)
	}
	return addr
}

func env(t *testing.T, service, store string) *runtime.Env {
	t.Helper()
	e := &runtime.Env{Name: service, Telemetry: mwtest.New(t).Telemetry, Config: runtime.Config{Store: store}}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return e
}

// database creates a database for one test and drops it afterwards.
func database(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("TENHOP_TEST_POSTGRES: %v", err)
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := "tenhop_" + strings.ToLower(rand.Text()[:12])
	if _, err := admin.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		admin.Close()
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		defer admin.Close()
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

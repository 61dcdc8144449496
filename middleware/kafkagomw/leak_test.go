package kafkagomw_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// ofTheClient ignores the goroutines of kafka-go's connection pools, which close after their
// writer, when the broker has answered.
var ofTheClient = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*connPool).discover"),
	goleak.IgnoreAnyFunction("github.com/segmentio/kafka-go.(*conn).run"),
}

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(ofTheClient...); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

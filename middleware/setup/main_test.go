package setup

import (
	"testing"

	"go.uber.org/goleak"
)

// No test leaves a goroutine behind, whatever Shutdown did.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Idle connections of http.DefaultTransport, which the tests share with the exporters.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

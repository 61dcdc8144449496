package redismw

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// measured is the context of a measured command.
type measured struct {
	context.Context
	hook *hook
}

type measuredKey struct{}

// Value returns the hook for measuredKey.
func (m *measured) Value(key any) any {
	if key == (measuredKey{}) {
		return m.hook
	}
	return m.Context.Value(key)
}

// within reports whether a command is sent on behalf of a measured one. go-redis sets up
// a connection under the context of the command that needs it, with the client's hooks.
func (h *hook) within(ctx context.Context) bool { return ctx.Value(measuredKey{}) == h }

// handshake reports whether a command can only be one of the connection's set-up. A
// subscription sets up its connection outside of any command.
func handshake(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "hello", "auth":
		return true
	case "client":
		switch sub := argument(cmd, 1); sub {
		case "setinfo", "setname", "maint_notifications", "tracking":
			return true
		}
	}
	return false
}

// allHandshake reports whether a pipeline sets up a connection.
func allHandshake(cmds []redis.Cmder) bool {
	return len(cmds) > 0 && !slices.ContainsFunc(cmds, func(cmd redis.Cmder) bool {
		return !handshake(cmd) && cmd.Name() != "select" && cmd.Name() != "readonly"
	})
}

// argument returns an argument of a command in lower case, or "".
func argument(cmd redis.Cmder, i int) string {
	args := cmd.Args()
	if i >= len(args) {
		return ""
	}
	s, _ := args[i].(string)
	return strings.ToLower(s)
}

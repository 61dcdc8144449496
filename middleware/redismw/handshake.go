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
	hook    *hook
	command redis.Cmder // the first one of a pipeline
}

type measuredKey struct{}

// Value returns m for measuredKey.
func (m *measured) Value(key any) any {
	if key == (measuredKey{}) {
		return m
	}
	return m.Context.Value(key)
}

// within returns the context in which to send a command that is measured already, or nil:
// on behalf of another, since go-redis sets up a connection under the context of the
// command that needs it, with the client's hooks, or by another hook of the client.
func (h *hook) within(ctx context.Context, command redis.Cmder) context.Context {
	for in := ctx; ; {
		m, ok := in.Value(measuredKey{}).(*measured)
		switch {
		case !ok:
			return nil
		case m.hook == h:
			return ctx
		case m.hook.core == h.core && m.command == command:
			return &measured{ctx, h, command}
		}
		in = m.Context
	}
}

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

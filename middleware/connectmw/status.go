package connectmw

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"connectrpc.com/connect"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// Values of rpc.system.name and of the label protocol.
const (
	systemConnect = "connectrpc"
	systemGRPC    = "grpc"
)

// systemOf returns rpc.system.name of a protocol.
func systemOf(protocol string) string {
	if protocol == connect.ProtocolGRPC || protocol == connect.ProtocolGRPCWeb {
		return systemGRPC
	}
	return systemConnect
}

// status is how a call ended, in the words of its protocol.
type status struct {
	name      string // rpc.response.status_code; "" for a success of the protocol Connect, which has no code
	errorType string
	code      connect.Code // 0 for a success
}

// statusOf returns the status that err has on the wire.
func statusOf(system string, err error) status {
	if err == nil {
		if system == systemGRPC {
			return status{name: "OK"}
		}
		return status{}
	}
	code := codeOf(err)
	name := code.String()
	switch {
	case code < connect.CodeCanceled || code > connect.CodeUnauthenticated:
		name = adapter.Overflow
	case code == connect.CodeCanceled && system == systemGRPC:
		name = "CANCELLED"
	case system == systemGRPC:
		name = strings.ToUpper(name)
	}
	return status{name: name, errorType: name, code: code}
}

// codeOf returns the code of an error. Connect maps an error of the context to its code
// and any other error to unknown.
func codeOf(err error) connect.Code {
	var own *connect.Error
	switch {
	case errors.As(err, &own):
		return own.Code()
	case errors.Is(err, context.Canceled):
		return connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return connect.CodeDeadlineExceeded
	}
	return connect.CodeUnknown
}

// serverFault reports whether a code is an error on a server span (semantic conventions
// for RPC).
func serverFault(c connect.Code) bool {
	switch c {
	case connect.CodeUnknown, connect.CodeDeadlineExceeded, connect.CodeUnimplemented, connect.CodeInternal,
		connect.CodeUnavailable, connect.CodeDataLoss:
		return true
	default:
		return false
	}
}

// outcome returns the server's outcome of a call.
func (s status) outcome(err error) adapter.Outcome {
	out := adapter.Outcome{Level: slog.LevelInfo, Message: "request", StatusName: s.name, ErrorType: s.errorType}
	if out.StatusName == "" {
		out.StatusName = "ok"
	}
	if s.code == 0 {
		return out
	}
	out.Err, out.Level = err, slog.LevelWarn
	if s.errorType == adapter.Overflow || serverFault(s.code) {
		out.Failed, out.Level = true, slog.LevelError
	}
	return out
}

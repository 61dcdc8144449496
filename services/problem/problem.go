// Package problem maps the storefront's error kinds, named by gRPC code, to HTTP
// status, log level and the rule whether customers may read the text.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind is a row of the table.
type Kind struct {
	HTTP  int           // status of the response
	Level zerolog.Level // of the log line
	// Public texts are written for customers. Others may name tables and
	// addresses and are only logged.
	Public bool
}

// statusClientClosedRequest is nginx's status for a client that closed its request.
const statusClientClosedRequest = 499

// tryAgain replaces texts that are not public.
const tryAgain = "the storefront cannot do this right now; please try again"

// Of returns the kind of a code. The mapping is google.rpc.Code's, except that a
// failed precondition (an empty cart, no stock) is 422, not 400.
func Of(c codes.Code) Kind {
	switch c {
	case codes.InvalidArgument, codes.OutOfRange:
		return Kind{HTTP: http.StatusBadRequest, Level: zerolog.DebugLevel, Public: true}
	case codes.Unauthenticated:
		return Kind{HTTP: http.StatusUnauthorized, Level: zerolog.DebugLevel, Public: true}
	case codes.PermissionDenied:
		return Kind{HTTP: http.StatusForbidden, Level: zerolog.InfoLevel, Public: true}
	case codes.NotFound:
		return Kind{HTTP: http.StatusNotFound, Level: zerolog.DebugLevel, Public: true}
	case codes.AlreadyExists, codes.Aborted:
		return Kind{HTTP: http.StatusConflict, Level: zerolog.InfoLevel, Public: true}
	case codes.FailedPrecondition:
		return Kind{HTTP: http.StatusUnprocessableEntity, Level: zerolog.InfoLevel, Public: true}
	case codes.ResourceExhausted:
		return Kind{HTTP: http.StatusTooManyRequests, Level: zerolog.WarnLevel, Public: true}
	case codes.Canceled:
		return Kind{HTTP: statusClientClosedRequest, Level: zerolog.DebugLevel}
	case codes.Unavailable:
		return Kind{HTTP: http.StatusServiceUnavailable, Level: zerolog.WarnLevel}
	case codes.DeadlineExceeded:
		return Kind{HTTP: http.StatusGatewayTimeout, Level: zerolog.WarnLevel}
	case codes.Unimplemented:
		return Kind{HTTP: http.StatusNotImplemented, Level: zerolog.ErrorLevel}
	}
	return Kind{HTTP: http.StatusInternalServerError, Level: zerolog.ErrorLevel}
}

// Code returns the code of an error. Context errors have a code even if a driver
// returned them.
func Code(err error) codes.Code {
	if c := status.Code(err); c != codes.Unknown {
		return c
	}
	switch {
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	return codes.Unknown
}

// Answer writes an error as JSON and logs it at the level of its kind.
func Answer(w http.ResponseWriter, log *zerolog.Logger, err error) {
	kind := Of(Code(err))
	text := tryAgain
	if kind.Public {
		text = message(err)
	}
	log.WithLevel(kind.Level).Err(err).Msg("request failed")
	Write(w, kind.HTTP, text)
}

// message returns the customer's text of err without its wrappers.
func message(err error) string {
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		return s.GRPCStatus().Message()
	}
	return status.Convert(err).Message()
}

// Write writes text as a JSON error.
func Write(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // the client is gone when it fails
}

package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// errorKind fails requests.
var errorKind = kind{
	Kind: Kind{
		Name: "error", Does: "Requests fail at once with code.",
		Symptom: "The hop's error rate rises, its duration falls, and its callees get fewer calls.",
		Cause:   "code", Fields: append([]string{"code"}, ofRequests...),
		Example: Fault{Kind: "error", Code: "UNAVAILABLE", Percent: 10},
	},
	check: func(f Fault) error {
		_, err := parseCode(f.Code)
		return err
	},
	request: func(_ context.Context, a active, _ func() float64) error { return failure(a.Code) },
}

// Error is returned by an error fault, with the code of each transport. Its text is that
// of an ordinary outage.
type Error struct {
	HTTP int    // status for HTTP servers
	GRPC uint32 // code for gRPC servers (google.golang.org/grpc/codes)
}

func (*Error) Error() string { return errUnavailable.Error() }

// Unwrap returns an ordinary error. Signals that hold the type of an error hold that of the
// innermost one, which must not be of this package.
func (*Error) Unwrap() error { return errUnavailable }

var errUnavailable = errors.New("service unavailable")

// Names of gRPC's codes by number (grpc/doc/statuscodes.md), and the HTTP status of
// each (google.rpc.Code).
var grpcCodes = []struct {
	name string
	http int
}{
	{"OK", 200}, {"CANCELLED", 499}, {"UNKNOWN", 500}, {"INVALID_ARGUMENT", 400}, {"DEADLINE_EXCEEDED", 504},
	{"NOT_FOUND", 404}, {"ALREADY_EXISTS", 409}, {"PERMISSION_DENIED", 403}, {"RESOURCE_EXHAUSTED", 429},
	{"FAILED_PRECONDITION", 400}, {"ABORTED", 409}, {"OUT_OF_RANGE", 400}, {"UNIMPLEMENTED", 501},
	{"INTERNAL", 500}, {"UNAVAILABLE", 503}, {"DATA_LOSS", 500}, {"UNAUTHENTICATED", 401},
}

func failure(code string) error {
	e, err := parseCode(code)
	if err != nil {
		return err // checked when the fault was injected
	}
	return e
}

// parseCode parses the name of a gRPC code or an HTTP status. "" means UNAVAILABLE.
func parseCode(s string) (*Error, error) {
	if s == "" {
		s = "UNAVAILABLE"
	}
	if status, err := strconv.Atoi(s); err == nil && status >= 400 && status <= 599 {
		for i, c := range slices.Backward(grpcCodes) {
			if c.http == status {
				return &Error{HTTP: status, GRPC: uint32(i)}, nil
			}
		}
		return &Error{HTTP: status, GRPC: 2}, nil
	}
	for i, c := range grpcCodes {
		if i > 0 && c.name == strings.ToUpper(s) {
			return &Error{HTTP: c.http, GRPC: uint32(i)}, nil
		}
	}
	return nil, fmt.Errorf("code %q is neither a gRPC code such as UNAVAILABLE nor an HTTP status from 400 to 599", s)
}

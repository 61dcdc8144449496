// Package traces opens the back end that holds traces: Jaeger or Tempo.
package traces

import (
	"errors"

	"github.com/tenhop/tenhop/query"
	"github.com/tenhop/tenhop/query/jaeger"
	"github.com/tenhop/tenhop/query/tempo"
)

// ErrBoth is returned for two back ends.
var ErrBoth = errors.New("traces are in Jaeger or in Tempo: give one of them")

// ErrNone is returned if no back end is given.
var ErrNone = errors.New("neither Jaeger nor Tempo is configured")

// Open returns a client of the back end whose URL is not empty.
func Open(jaegerURL, tempoURL string, clients query.Clients) (query.Tracer, error) {
	switch {
	case jaegerURL != "" && tempoURL != "":
		return nil, ErrBoth
	case jaegerURL != "":
		return opened(jaeger.New(jaegerURL, clients.Jaeger))
	case tempoURL != "":
		return opened(tempo.New(tempoURL, clients.Tempo))
	}
	return nil, ErrNone
}

// opened returns a nil interface after an error.
func opened[T query.Tracer](t T, err error) (query.Tracer, error) {
	if err != nil {
		return nil, err
	}
	return t, nil
}

package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"
)

// Registration describes an instance of a service to Consul.
type Registration struct {
	ID      string // unique at the agent
	Service string
	Address string // host
	Port    int
	Meta    map[string]string
	Ready   string // URL that answers 200 while the instance can take requests
}

// keepInterval is the interval at which Keep asks whether the agent still knows an instance.
// Agents that lost their data are told again.
const keepInterval = 5 * time.Second

// Keep registers an instance and repeats that when the agent does not know it any more, or
// did not answer, until ctx ends. It does not deregister the instance.
func (c *Consul) Keep(ctx context.Context, r Registration, log *zerolog.Logger) {
	known := false
	failing := false
	for pause := firstPause; ; {
		err := c.keep(ctx, r)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				log.Warn().Err(err).Str("id", r.ID).Msg("not registered with Consul, trying again")
			}
			failing = true
			pause = min(2*pause, maxPause)
		default:
			if failing || !known {
				log.Info().Str("id", r.ID).Msg("registered with Consul")
			}
			known, failing, pause = true, false, keepInterval
		}
		wait := time.Duration((.5 + rand.Float64()) * float64(pause))
		if err == nil {
			pause = firstPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (c *Consul) keep(ctx context.Context, r Registration) error {
	_, err := c.do(ctx, answerWithin, http.MethodGet, "/v1/agent/service/"+url.PathEscape(r.ID), nil, nil, nil)
	var status *statusError
	if !errors.As(err, &status) || status.code != http.StatusNotFound {
		return err
	}
	return c.Register(ctx, r)
}

// Register registers an instance once.
func (c *Consul) Register(ctx context.Context, r Registration) error {
	type check struct {
		Name                           string
		HTTP                           string
		Interval, Timeout              string
		Status                         string
		FailuresBeforeCritical         int
		DeregisterCriticalServiceAfter string
	}
	body := struct {
		ID, Name, Address string
		Port              int
		Meta              map[string]string
		Check             check
	}{r.ID, r.Service, r.Address, r.Port, r.Meta, check{
		Name: r.ID + " is ready", HTTP: r.Ready, Interval: "2s", Timeout: "2s",
		Status:                         "passing", // instances register when they are ready
		FailuresBeforeCritical:         2,
		DeregisterCriticalServiceAfter: "1m", // the minimum; of an instance that was killed
	}}
	_, err := c.do(ctx, answerWithin, http.MethodPut, "/v1/agent/service/register", nil, body, nil)
	return err
}

// Deregister removes an instance. One that the agent does not know is no error.
func (c *Consul) Deregister(ctx context.Context, id string) error {
	_, err := c.do(ctx, answerWithin, http.MethodPut, "/v1/agent/service/deregister/"+url.PathEscape(id), nil, nil, nil)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusNotFound {
		return nil
	}
	return err
}

package servicemap

import "time"

// Snapshot holds the state of all hops at one time.
type Snapshot struct {
	At      time.Time `json:"at"`
	TookMS  float64   `json:"took_ms"`
	Error   string    `json:"error,omitempty"` // why the snapshot is empty
	Hops    []Hop     `json:"hops"`
	Edges   []Edge    `json:"edges"`
	Entries []Entry   `json:"entries"`
	SLOs    []SLO     `json:"slos"`
	Alerts  []Alert   `json:"alerts"`
}

// Hop is a node of the map: a service, or a store. Times are in seconds.
type Hop struct {
	Name       string      `json:"name"`
	Kind       string      `json:"kind"` // "service", or "store" for a database or cache that only its callers report
	Rate       float64     `json:"rate"` // messages/s
	Errors     float64     `json:"errors"`
	Shed       float64     `json:"shed,omitempty"` // requests/s refused because too many were in flight
	P95        *float64    `json:"p95,omitempty"`
	Self       *float64    `json:"self,omitempty"`  // mean self time per message
	Added      float64     `json:"added,omitempty"` // mean time added per request of the slowed entry
	Share      float64     `json:"share,omitempty"` // of the time added to that entry
	Hot        bool        `json:"hot,omitempty"`
	Why        string      `json:"why,omitempty"`
	Operations []Operation `json:"operations"`
}

// Operation holds the metrics of one operation of a hop. Times are in seconds.
type Operation struct {
	Name   string   `json:"name"`
	Rate   float64  `json:"rate"`
	Errors float64  `json:"errors"`
	P95    *float64 `json:"p95,omitempty"`
	Self   *float64 `json:"self,omitempty"`
}

// Edge is the traffic from one hop to another: calls, or messages of a topic. Times are in seconds.
type Edge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kind  string   `json:"kind"` // http, grpc, database or cache; for a topic the messaging.system, such as kafka or rabbitmq
	Topic string   `json:"topic,omitempty"`
	Rate  float64  `json:"rate"`
	Mean  *float64 `json:"mean,omitempty"` // wait per call; for a topic, queue wait per message
	Hot   bool     `json:"hot,omitempty"`

	Retries float64            `json:"retries,omitempty"` // calls/s made again
	Refused map[string]float64 `json:"refused,omitempty"` // calls/s not made, by reason: breaker, bulkhead or deadline
	Breaker string             `json:"breaker,omitempty"` // open or half-open
	// Waiting is the number of messages that the consumer has not taken yet. It may be down.
	Waiting float64 `json:"waiting,omitempty"`
}

// Entry compares an entry operation with its baseline. Times are in seconds.
type Entry struct {
	Operation string  `json:"operation"`
	Flow      string  `json:"flow"` // "request", or "async" for the flow that follows it
	Rate      float64 `json:"rate"`
	Mean      float64 `json:"mean"`
	Baseline  float64 `json:"baseline"` // 0 before there is one
	Added     float64 `json:"added"`
	Spiking   bool    `json:"spiking"`
}

// SLO holds an objective and its burn rates. At a burn rate of 1 the error
// budget lasts exactly as long as the objective's period.
type SLO struct {
	Name      string  `json:"name"`
	Service   string  `json:"service"`
	Objective float64 `json:"objective"`
	Errors    float64 `json:"errors"` // ratio of the last 5 minutes
	BurnFast  float64 `json:"burn_fast"`
	BurnSlow  float64 `json:"burn_slow"`
}

// Alert is a pending or firing alert.
type Alert struct {
	Name      string            `json:"name"`
	State     string            `json:"state"`
	Severity  string            `json:"severity"`
	Summary   string            `json:"summary"`
	Since     string            `json:"since"`
	Labels    map[string]string `json:"labels"`
	Runbook   string            `json:"runbook,omitempty"`
	Dashboard string            `json:"dashboard,omitempty"`
	Traces    string            `json:"traces,omitempty"`
}

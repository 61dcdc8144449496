// Package parts runs the story of the README on a storefront with each optional part
// switched on: a search engine, RabbitMQ, PostgreSQL, mutual TLS, Consul, and all of them.
//
// The test needs TENHOP_PARTS. `make parts` starts the servers; without one of them its part
// is skipped, which the output says.
package parts

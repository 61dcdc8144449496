// Package search runs the storefront with a search engine. The engine gets slower, another
// hop gets slower, and the engine goes away: the diagnosis names the first two, and the
// third fails no search.
//
// The test needs TENHOP_ACCEPTANCE and an engine at TENHOP_TEST_SEARCH. `make search` starts one.
package search

// Package tenhop is the root of the tenhop toolkit: see README.md for the map of its parts.
package tenhop

// Package foreign drills services that are not the storefront: those of docs/yourservice,
// observed by `tenhop stack`, found by a fleet's file.
package foreign

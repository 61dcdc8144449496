// Package protocols holds the comparison of ways to make one call between two services, as
// it was last measured, for a page of the console. `make protocols` measures it.
package protocols

import (
	_ "embed"
	"encoding/json"
)

//go:generate go test -count=1 -run TestRecorded . -update

// Comparison is the table of docs/protocols.md.
type Comparison struct {
	Measured string     `json:"measured"`        // when, on what, and how much
	Doubt    string     `json:"doubt,omitempty"` // why the times are not worth comparing; empty if they are
	Columns  []string   `json:"columns"`
	Rows     [][]string `json:"rows"` // one per way to make the call, with a cell per column
}

//go:embed comparison.json
var recorded []byte

// Recorded returns the last comparison.
func Recorded() (Comparison, error) {
	var c Comparison
	err := json.Unmarshal(recorded, &c)
	return c, err
}

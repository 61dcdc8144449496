package sqlmw_test

import (
	"context"
	"fmt"

	"github.com/tenhop/tenhop/middleware/sqlmw"
)

func ExampleOpen() {
	db, err := sqlmw.Open("sqlite", "file::memory:", "orders-db")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRowContext(context.Background(), "SELECT 41 + 1").Scan(&n); err != nil {
		panic(err)
	}
	fmt.Println(n)
	// Output: 42
}

// What `orchestrion go build` makes of sql.Open.
func ExampleOpenMeasured() {
	db, err := sqlmw.OpenMeasured("sqlite", "file::memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	fmt.Println(db.PingContext(context.Background()))
	// Output: <nil>
}

package flight_test

import (
	"fmt"
	"net/http"

	"github.com/tenhop/tenhop/middleware/flight"
)

// The admin port serves recordings to those who have the token.
func ExampleHandler() {
	admin := http.NewServeMux()
	admin.Handle(flight.Path, flight.Handler("secret"))
	fmt.Println(flight.Path)
	// Output: /debug/flight
}

// A program that reads traces itself finds the hops in the log messages.
func ExampleParseMark() {
	m, ok := flight.ParseMark("end 25000000 5000000 POST /checkout")
	fmt.Println(ok, m.Operation, m.Duration, m.Self)
	// Output: true POST /checkout 25ms 5ms
}

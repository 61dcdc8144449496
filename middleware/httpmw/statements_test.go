package httpmw_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// beforeMiddleware is a service without, and afterMiddleware with the library; they
// differ in what a user writes.
const (
	beforeMiddleware = `package main
func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", item)
	client := &http.Client{}
	run(mux, client)
}`
	afterMiddleware = `package main
func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", item)
	client := &http.Client{}
	client.Transport = httpmw.Transport(nil, httpmw.WithDependency("stock"))
	handler := httpmw.Handler(mux)
	run(handler, client)
}`
	maxStatements = 5
)

// statements counts what is neither a block nor the function itself.
func statements(t *testing.T, src string) int {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", src, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		if s, ok := node.(ast.Stmt); ok {
			if _, block := s.(*ast.BlockStmt); !block {
				n++
			}
		}
		return true
	})
	return n
}

func TestStatementsAUserAdds(t *testing.T) {
	added := statements(t, afterMiddleware) - statements(t, beforeMiddleware)
	t.Logf("%d statements for server and client", added)
	if added > maxStatements {
		t.Errorf("%d statements, at most %d are asked of a user", added, maxStatements)
	}
}

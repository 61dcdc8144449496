package middleware_test

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

// maxStatements is how many statements the library may ask of a user for one
// transport, server, client and scrape together.
const maxStatements = 5

// TestStatementsAUserAdds counts, in the Example of a whole service, the
// statements that name a package of this library. The Examples compile, are
// formatted and call nothing that a user does not have.
func TestStatementsAUserAdds(t *testing.T) {
	for _, dir := range []string{"httpmw", "grpcmw", "kafkamw", "saramamw", "kafkagomw", "amqpmw"} {
		t.Run(dir, func(t *testing.T) {
			src, err := os.ReadFile(path.Join(dir, "service_example_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			if want, err := format.Source(src); err != nil || !bytes.Equal(src, want) {
				t.Errorf("the example is not formatted (%v)", err)
			}
			f, err := parser.ParseFile(token.NewFileSet(), dir, src, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ours := map[string]bool{}
			for _, i := range f.Imports {
				if p, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(p, "github.com/tenhop/tenhop/middleware/") {
					ours[path.Base(p)] = true
				}
			}
			body := exampleBody(t, f)
			if helper := privateHelper(body); helper != "" {
				t.Errorf("the example calls %s, which a user does not have", helper)
			}
			n := addedStatements(body, ours)
			t.Logf("%d statements", n)
			if n == 0 || n > maxStatements {
				t.Errorf("%d statements, want 1 to %d", n, maxStatements)
			}
		})
	}
}

func exampleBody(t *testing.T, f *ast.File) *ast.BlockStmt {
	t.Helper()
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "Example_service" {
			return fn.Body
		}
	}
	t.Fatal("there is no Example_service")
	return nil
}

// addedStatements counts the innermost statements with a selector on ours.
func addedStatements(body *ast.BlockStmt, ours map[string]bool) int {
	added := map[ast.Stmt]bool{}
	var open []ast.Node
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			open = open[:len(open)-1]
			return true
		}
		open = append(open, n)
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if pkg, ok := sel.X.(*ast.Ident); ok && ours[pkg.Name] {
				for i := len(open) - 1; i >= 0; i-- {
					if s, ok := open[i].(ast.Stmt); ok {
						added[s] = true
						break
					}
				}
			}
		}
		return true
	})
	return len(added)
}

// privateHelper returns the name of a function that the body calls and that is
// neither built in nor a variable of its own.
func privateHelper(body *ast.BlockStmt) (name string) {
	local := map[string]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.DEFINE {
			for _, l := range a.Lhs {
				if id, ok := l.(*ast.Ident); ok {
					local[id.Name] = true
				}
			}
		}
		return true
	})
	ast.Inspect(body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if id, ok := c.Fun.(*ast.Ident); ok && !local[id.Name] && types.Universe.Lookup(id.Name) == nil {
				name = id.Name
			}
		}
		return true
	})
	return name
}

package middleware_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryEntryPointHasAnExample wants every exported function of every package
// but options to be used by an Example of its package.
func TestEveryEntryPointHasAnExample(t *testing.T) {
	exported, shown := map[string]map[string]bool{}, map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		dir := filepath.Dir(path)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil || dir == "." || strings.HasPrefix(dir, "bench") || strings.HasPrefix(dir, "internal") || f.Name.Name == "main" {
			return err
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			switch test := strings.HasSuffix(path, "_test.go"); {
			case !ok || fn.Recv != nil:
			case !test && fn.Name.IsExported() && !strings.HasPrefix(fn.Name.Name, "With"):
				put(exported, dir, fn.Name.Name)
			case test && strings.HasPrefix(fn.Name.Name, "Example"):
				ast.Inspect(fn, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						if p, ok := s.X.(*ast.Ident); ok && p.Name == filepath.Base(dir) {
							put(shown, dir, s.Sel.Name)
						}
					}
					return true
				})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(exported) < 15 {
		t.Errorf("only %d packages were found", len(exported))
	}
	for dir, names := range exported {
		for name := range names {
			if !shown[dir][name] {
				t.Errorf("no Example of %s uses %s", dir, name)
			}
		}
	}
}

func put(m map[string]map[string]bool, dir, name string) {
	if m[dir] == nil {
		m[dir] = map[string]bool{}
	}
	m[dir][name] = true
}

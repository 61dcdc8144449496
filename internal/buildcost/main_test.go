package main

import (
	"strings"
	"testing"
)

func TestPrint(t *testing.T) {
	module := func(name string) *struct{ Path string } { return &struct{ Path string }{name} }
	g := &graph{root: "a/cmd", packages: map[string]pkg{
		"a/cmd":  {ImportPath: "a/cmd", Imports: []string{"b", "d", "fmt"}, Module: module("a")},
		"b":      {ImportPath: "b", Imports: []string{"c", "shared"}, Module: module("b")},
		"c":      {ImportPath: "c", Module: module("c")},
		"d":      {ImportPath: "d", Imports: []string{"shared"}, Module: module("d")},
		"shared": {ImportPath: "shared", Module: module("shared")},
		"fmt":    {ImportPath: "fmt"},
	}}
	cost, err := costs([]byte(`[{"Mode":"build","Package":"b","CmdUser":2000000000,"CmdSys":1000000000},{"Mode":"build","Package":"c","CmdUser":4000000000},
		{"Mode":"build","Package":"shared","CmdUser":8000000000},{"Mode":"link","Package":"a/cmd","CmdUser":5000000000},{"Mode":"nop","Package":"a/cmd"}]`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := g.print(&b, cost, "s", 3); err != nil {
		t.Fatal(err)
	}
	const want = `6 packages of 6 modules, 20.0 s in all, linker 5.0

OWN s  WITH ITS OWN IMPORTS  PACKAGES  MODULE  IMPORTED BY
8.00   8.00                  1         shared  b, d
3.00   7.00                  2         b       a/cmd
4.00   4.00                  1         c       b
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

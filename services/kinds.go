package services

import (
	"slices"

	"github.com/tenhop/tenhop/middleware/chaos"
	"github.com/tenhop/tenhop/services/runtime/link"
)

// Kinds returns the kinds of fault that services offer beside those of package chaos.
func Kinds() []chaos.Kind {
	links := new(link.Links)
	all := slices.Concat(links.Kinds(), []chaos.Implementation{link.Down(links)})
	for _, d := range Definitions() {
		all = append(all, d.Kinds...)
	}
	var out []chaos.Kind
	for _, k := range all {
		if !slices.ContainsFunc(out, func(o chaos.Kind) bool { return o.Name == k.Name }) {
			out = append(out, k.Kind)
		}
	}
	return out
}

// Offering returns the services that offer a kind of fault of their own. It returns none for
// a kind that does not depend on the service.
func Offering(kind string) []string {
	var out []string
	for _, d := range Definitions() {
		if slices.ContainsFunc(d.Kinds, func(k chaos.Implementation) bool { return k.Name == kind }) {
			out = append(out, d.Name)
		}
	}
	return out
}

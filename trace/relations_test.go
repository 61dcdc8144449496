package trace

import (
	"slices"
	"testing"
)

func TestRelations(t *testing.T) {
	for _, c := range []struct {
		name, trace  string
		parent, root []int
	}{
		{"a service's work goes up to where it began", `
			d c payment client 3-4
			c b payment server 2-8
			b a gateway client 1-9
			a - gateway server 0-10`, []int{1, 2, 3, -1}, []int{1, 1, 3, 3}},
		{"nothing is adopted", "a - s server 0-10\nb gone s client 2-3\nc c s client 4-5", []int{-1, -1, -1}, []int{0, 1, 2}},
		{"a cycle ends somewhere", "a b s server 0-10\nb a s client 2-3\nc b s client 4-5", []int{1, 0, 1}, []int{0, 0, 0}},
		{"a cycle of two services", "a b s server 0-10\nb a t client 2-3", []int{1, 0}, []int{0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent, root := Relations(parse(t, c.trace))
			if !slices.Equal(parent, c.parent) || !slices.Equal(root, c.root) {
				t.Errorf("parents %v, roots %v; want %v, %v", parent, root, c.parent, c.root)
			}
		})
	}
}

func TestTraceRoot(t *testing.T) {
	for want, text := range map[string]string{
		"a": "b a s server 1-5\na - s server 0-10",
		"c": "d c s server 1-5\nc d s server 0-10", // nothing but a cycle
	} {
		if got := parse(t, text).Root(); got == nil || got.ID != want {
			t.Errorf("root %+v, want %s", got, want)
		}
	}
	if got := (&Trace{}).Root(); got != nil {
		t.Errorf("root of no spans: %+v", got)
	}
}

func TestBoundsAndServices(t *testing.T) {
	tr := parse(t, "b a t server 3-30\na - s server 1-10")
	from, to := tr.Bounds()
	if !from.Equal(epoch.Add(ms(1))) || !to.Equal(epoch.Add(ms(30))) {
		t.Errorf("bounds %s to %s", from, to)
	}
	if got := tr.Services(); !slices.Equal(got, []string{"s", "t"}) {
		t.Errorf("services %v", got)
	}
	empty := &Trace{}
	if from, to := empty.Bounds(); !from.IsZero() || !to.IsZero() || len(empty.Services()) != 0 {
		t.Error("a trace without spans has bounds or services")
	}
}

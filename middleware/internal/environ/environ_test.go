package environ

import "testing"

func TestServiceName(t *testing.T) {
	for _, c := range []struct{ name, attributes, want string }{
		{"", "", "program"},
		{"", "service.name=shop", "shop"},
		{"", "a=b, service.name = my%20shop ,c=d", "my shop"},
		{"", "service.name=%zz", "program"},
		{"", "service.namespace=x,service.name", "program"},
		{"variable", "service.name=shop", "variable"},
	} {
		t.Setenv("OTEL_SERVICE_NAME", c.name)
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", c.attributes)
		if got := ServiceName("program"); got != c.want {
			t.Errorf("OTEL_SERVICE_NAME=%q, OTEL_RESOURCE_ATTRIBUTES=%q: %q, want %q", c.name, c.attributes, got, c.want)
		}
	}
}

package grpcmw

import (
	"context"
	"testing"

	"google.golang.org/grpc/metadata"
)

// Metadata of an in-process transport may have keys in upper case.
func TestIncomingKeys(t *testing.T) {
	if incomingKey == nil {
		t.Fatal("the key of incoming metadata is unknown")
	}
	for name, tc := range map[string]struct {
		md   metadata.MD
		want string
	}{
		"lower case":  {metadata.MD{"x-correlation-id": {"a", "b"}}, "a"},
		"upper case":  {metadata.MD{"X-Correlation-ID": {"a"}, "other": {"b"}}, "a"},
		"lower first": {metadata.MD{"X-Correlation-ID": {"b"}, "x-correlation-id": {"a"}}, "a"},
		"missing":     {metadata.MD{"other": {"b"}}, ""},
		"no value":    {metadata.MD{"x-correlation-id": {}}, ""},
		"none":        {nil, ""},
	} {
		c := incoming{ctx: metadata.NewIncomingContext(context.Background(), tc.md)}
		if got := c.Get(keyCorrelation); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if got := (&incoming{ctx: context.Background()}).Get(keyCorrelation); got != "" {
		t.Errorf("without metadata: %q", got)
	}
}

package httpmw

import "testing"

func TestPublicPath(t *testing.T) {
	for _, c := range []struct{ path, route, want string }{
		{"/cart/items", "/cart/items", "/cart/items"},
		{"/", "/", "/"},
		{"/products/4111111111111111", "/products/{id}", "/products/REDACTED"},
		{"/users/a@b.example/cart", "/users/{id}/cart", "/users/REDACTED/cart"},
		{"/files/a/b/", "/files/{path...}", "/files/REDACTED/REDACTED/"},
		{"/cart/items", "shop.example/cart/{what}", "/cart/REDACTED"},
		{"/reset/token", "unmatched", "/REDACTED/REDACTED"},
		{"/unmatched", "unmatched", "/REDACTED"},
		{"/a//b", "/a/{rest...}", "/a//REDACTED"},
		{"*", "unmatched", "REDACTED"},
		{"", "", ""},
	} {
		if got := publicPath(c.path, c.route); got != c.want {
			t.Errorf("publicPath(%q, %q) = %q, want %q", c.path, c.route, got, c.want)
		}
	}
}

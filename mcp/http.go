package mcp

import (
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// maxRequest is the maximum size of a request over HTTP in bytes.
const maxRequest = 64 << 10

// Handler serves the Model Context Protocol over HTTP. configure returns what the tools of
// a request ask. It runs for every request, so a token that came with one request gives
// nothing to another one. All requests share the limit of the tools that read traces. The
// caller checks Host, Origin and token.
func Handler(configure func(*http.Request) Config) http.Handler {
	sh := newShared()
	return sdk.NewStreamableHTTPHandler(func(r *http.Request) *sdk.Server { return newServer(configure(r), sh) },
		&sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxRequest,
			DisableLocalhostProtection: true, PropagateRequestCancellation: true}) // the caller checks Host
}

package console

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// dist holds the output of web/build.mjs: index.html and hashed assets, compressed
// with gzip.
//
//go:embed dist
var dist embed.FS

// pages lists the paths of the page, which routes them in the browser. They
// include those of Jaeger's UI.
var pages = []string{
	"/{$}", "/diagnose", "/search", "/trace/{id}", "/compare", "/dashboards", "/protocols", "/d/{uid}", "/d/{uid}/{slug}", "/drills", "/incidents", "/incidents/{id}",
}

// page registers the page and its assets.
func (c *Console) page() error {
	index, err := readAsset("index.html")
	if err != nil {
		return err
	}
	for _, p := range pages {
		c.mux.HandleFunc("GET "+p, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			index.serve(w, r, http.StatusOK)
		})
	}
	// Another path is a mistyped one: the page says so. The API has its own answers.
	c.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(r.URL.Path, "/api/") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		index.serve(w, r, http.StatusNotFound)
	})
	names, err := fs.Glob(dist, "dist/assets/*.gz")
	if err != nil {
		return err
	}
	for _, name := range names {
		file := strings.TrimSuffix(strings.TrimPrefix(name, "dist/"), ".gz")
		a, err := readAsset(file)
		if err != nil {
			return err
		}
		c.mux.HandleFunc("GET /"+file, func(w http.ResponseWriter, r *http.Request) {
			// The name contains a hash of the content.
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			a.serve(w, r, http.StatusOK)
		})
	}
	return nil
}

// asset is a file of the page, in its compressed form.
type asset struct {
	kind       string
	compressed []byte
}

// kinds maps extensions to content types; mime.TypeByExtension depends on the machine.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
}

func readAsset(name string) (asset, error) {
	b, err := dist.ReadFile("dist/" + name + ".gz")
	if err != nil {
		return asset{}, fmt.Errorf("the page was not built: %w; run npm ci && npm run build in console/web", err)
	}
	kind, ok := kinds[path.Ext(name)]
	if !ok {
		return asset{}, fmt.Errorf("no content type for %s", name)
	}
	return asset{kind, b}, nil
}

// serve sends the file with a status.
func (a asset) serve(w http.ResponseWriter, r *http.Request, status int) {
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(a.compressed)))
		w.WriteHeader(status)
		_, _ = w.Write(a.compressed) // fails when the client is gone
		return
	}
	z, err := gzip.NewReader(bytes.NewReader(a.compressed))
	if err != nil {
		writeError(w, err)
		return
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, z) // fails when the client is gone
}

package discoverytest

import (
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kubernetes is a stand-in of an API server that serves EndpointSlices of one namespace, as
// lists and as watches with bookmarks. It differs from Kubernetes in this: one list has all
// slices, slices have the fields that clients of endpoints use, and versions of a service
// are known back to the last Expire.
type Kubernetes struct {
	URL     string
	Account string // directory of the service account
	Lists   func() int

	mu        sync.Mutex
	token     string
	forbidden bool
	version   int
	oldest    int
	lists     int
	slices    map[string]slice
	events    []event
	changed   chan struct{}
	done      chan struct{}
}

// Endpoint is an endpoint of a slice.
type Endpoint struct {
	Address     string // host:port
	Ready       *bool  // nil is ready, too
	Terminating bool
}

type slice struct {
	service string
	object  map[string]any
}

type event struct {
	version int
	service string
	json    []byte
}

const namespace = "shop"

// StartKubernetes starts an API server, which stops when the test ends.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	k := &Kubernetes{Account: t.TempDir(), version: 100, slices: map[string]slice{}, changed: make(chan struct{}), done: make(chan struct{})}
	k.Lists = func() int { k.mu.Lock(); defer k.mu.Unlock(); return k.lists }
	server := httptest.NewTLSServer(http.HandlerFunc(k.serve))
	t.Cleanup(func() { close(k.done); server.Close() })
	k.URL = server.URL
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": authority, "namespace": []byte(namespace)} {
		if err := os.WriteFile(filepath.Join(k.Account, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.Rotate(t, "first")
	return k
}

// Rotate replaces the token of the service account.
func (k *Kubernetes) Rotate(t testing.TB, token string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.token = token
	if err := os.WriteFile(filepath.Join(k.Account, "token"), []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Forbid makes RBAC forbid the account to read EndpointSlices, or not any more.
func (k *Kubernetes) Forbid(forbidden bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forbidden = forbidden
}

// Set sets a slice of a service. Without endpoints it deletes the slice.
func (k *Kubernetes) Set(service, name string, endpoints ...Endpoint) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version++
	kind := "ADDED"
	if _, known := k.slices[name]; known {
		kind = "MODIFIED"
	}
	port := 0
	list := []any{}
	for _, e := range endpoints {
		host, p, _ := net.SplitHostPort(e.Address)
		port, _ = strconv.Atoi(p)
		ready := map[string]any{"serving": true, "terminating": e.Terminating}
		if e.Ready != nil {
			ready["ready"] = *e.Ready
		}
		list = append(list, map[string]any{"addresses": []string{host}, "conditions": ready, "nodeName": "node-1",
			"targetRef": map[string]any{"kind": "Pod", "namespace": namespace, "name": service + "-" + p}})
	}
	object := map[string]any{
		"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
		"metadata": map[string]any{"name": name, "namespace": namespace, "resourceVersion": strconv.Itoa(k.version),
			"labels": map[string]string{"kubernetes.io/service-name": service}},
		"addressType": "IPv4", "endpoints": list,
		"ports": []any{map[string]any{"name": "admin", "port": 9464, "protocol": "TCP"}, map[string]any{"name": "main", "port": port, "protocol": "TCP"}},
	}
	if len(endpoints) == 0 {
		kind = "DELETED"
		delete(k.slices, name)
	} else {
		k.slices[name] = slice{service, object}
	}
	k.tell(service, kind, object)
}

// Bookmark sends a bookmark to all watches.
func (k *Kubernetes) Bookmark() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version++
	k.tell("", "BOOKMARK", map[string]any{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(k.version)}})
}

// Expire ends all watches: their versions are too old.
func (k *Kubernetes) Expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version++
	k.oldest = k.version
	k.tell("", "ERROR", map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": http.StatusGone,
		"reason": "Expired", "message": "too old resource version"})
}

// tell tells the watches. The caller holds the lock.
func (k *Kubernetes) tell(service, kind string, object any) {
	b, _ := json.Marshal(map[string]any{"type": kind, "object": object})
	k.events = append(k.events, event{k.version, service, b})
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *Kubernetes) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	token, forbidden := k.token, k.forbidden
	k.mu.Unlock()
	refuse := func(code int, reason string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"kind": "Status", "status": "Failure", "code": code, "reason": reason})
	}
	service, ok := strings.CutPrefix(r.URL.Query().Get("labelSelector"), "kubernetes.io/service-name=")
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		refuse(http.StatusUnauthorized, "Unauthorized")
	case forbidden:
		refuse(http.StatusForbidden, "Forbidden")
	case r.URL.Path != "/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices" || !ok:
		refuse(http.StatusNotFound, "NotFound")
	case r.URL.Query().Get("watch") == "":
		k.list(w, service)
	default:
		k.watch(w, r, service)
	}
}

func (k *Kubernetes) list(w http.ResponseWriter, service string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lists++
	items := []any{}
	for _, s := range k.slices {
		if s.service == service {
			items = append(items, s.object)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(k.version)}, "items": items})
}

func (k *Kubernetes) watch(w http.ResponseWriter, r *http.Request, service string) {
	seconds, _ := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	over := time.After(time.Duration(seconds) * time.Second)
	after, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	for {
		k.mu.Lock()
		changed := k.changed
		var send [][]byte
		last := after
		for _, e := range k.events {
			if e.version > after && (e.service == service || e.service == "") {
				send = append(send, e.json)
			}
			last = max(last, e.version)
		}
		after = last
		ended := after <= k.oldest && k.oldest > 0
		k.mu.Unlock()
		for _, b := range send {
			_, _ = w.Write(append(b, '\n'))
		}
		w.(http.Flusher).Flush()
		if ended {
			return
		}
		select {
		case <-changed:
		case <-over:
			return
		case <-r.Context().Done():
			return
		case <-k.done:
			return
		}
	}
}

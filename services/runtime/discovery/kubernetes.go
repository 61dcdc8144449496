package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kubernetes is a client of the EndpointSlices of one namespace. It uses the API directly.
type Kubernetes struct {
	base      string // https://host:port
	namespace string
	port      string // name of the port that calls use
	token     string // path of the file; it is replaced while the service runs
	client    *http.Client
	fallback  Watch
}

const (
	serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
	watchFor       = 5 * time.Minute // of one watch request; the next continues it
	forbiddenFor   = time.Minute     // until the permission is asked for again
)

// KubernetesFromPod returns a client that uses the service account of the pod that it runs
// in. The calls use the named port of a service. fallback is the watch while the account may
// not read EndpointSlices.
func KubernetesFromPod(port string, fallback Watch) (*Kubernetes, error) {
	host, number := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || number == "" {
		return nil, errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is not a pod of Kubernetes")
	}
	return NewKubernetes("https://"+net.JoinHostPort(host, number), serviceAccount, port, fallback)
}

// NewKubernetes returns a client of the API server at a base URL. account is the directory
// with the files token, namespace and ca.crt of a service account.
func NewKubernetes(base, account, port string, fallback Watch) (*Kubernetes, error) {
	namespace, err := os.ReadFile(filepath.Join(account, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("%w; the pod needs automountServiceAccountToken: true", err)
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New(filepath.Join(account, "ca.crt") + " holds no certificate in PEM")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 10 * time.Second}).DialContext
	return &Kubernetes{base: base, namespace: strings.TrimSpace(string(namespace)), port: port, fallback: fallback,
		token: filepath.Join(account, "token"), client: &http.Client{Transport: transport}}, nil
}

// endpointSlice is the part of discovery.k8s.io/v1 EndpointSlice that is used.
type endpointSlice struct {
	Metadata struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	AddressType string `json:"addressType"` // IPv4, IPv6 or FQDN
	Endpoints   []struct {
		Addresses  []string `json:"addresses"`
		Conditions struct {
			Ready *bool `json:"ready"` // nil is true
		} `json:"conditions"`
	} `json:"endpoints"`
	Ports []struct {
		Name string `json:"name"`
		Port int    `json:"port"`
	} `json:"ports"`
}

// addresses returns those of the ready endpoints. An endpoint that terminates is not ready.
func (s endpointSlice) addresses(port string) []string {
	var out []string
	for _, p := range s.Ports {
		if p.Name != port {
			continue
		}
		for _, e := range s.Endpoints {
			if ready := e.Conditions.Ready; (ready == nil || *ready) && len(e.Addresses) > 0 {
				out = append(out, net.JoinHostPort(e.Addresses[0], strconv.Itoa(p.Port))) // all have the same meaning
			}
		}
	}
	return out
}

// Watch implements Watch: it lists the EndpointSlices of a service and follows their changes.
func (k *Kubernetes) Watch(ctx context.Context, service string, report func([]string)) error {
	for {
		err := k.watch(ctx, service, report)
		var status *statusError
		if k.fallback == nil || !errors.As(err, &status) || status.code != http.StatusForbidden {
			return err
		}
		within, cancel := context.WithTimeout(ctx, forbiddenFor)
		ferr := k.fallback(within, service, report)
		over := within.Err() != nil
		cancel()
		if !over {
			return errors.Join(err, ferr)
		}
	}
}

func (k *Kubernetes) watch(ctx context.Context, service string, report func([]string)) error {
	slicesOf := map[string]endpointSlice{}
	tell := func() {
		var out []string
		for _, s := range slicesOf {
			out = append(out, s.addresses(k.port)...)
		}
		report(out)
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []endpointSlice `json:"items"`
	}
	selector := url.Values{"labelSelector": {"kubernetes.io/service-name=" + service}}
	within, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	r, err := k.request(within, selector)
	if err != nil {
		return err
	}
	if _, err := exchange(k.client, r, &list); err != nil {
		return fmt.Errorf("list EndpointSlices: %w", err)
	}
	for _, s := range list.Items {
		slicesOf[s.Metadata.Name] = s
	}
	tell()
	for version := list.Metadata.ResourceVersion; ; {
		if version, err = k.events(ctx, selector, version, slicesOf, tell); err != nil {
			return fmt.Errorf("watch EndpointSlices: %w", err)
		}
	}
}

// events applies the events of one watch request, and returns the version up to which it has.
func (k *Kubernetes) events(ctx context.Context, selector url.Values, version string, to map[string]endpointSlice, tell func()) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchFor+answerWithin)
	defer cancel()
	r, err := k.request(ctx, url.Values{"labelSelector": selector["labelSelector"], "watch": {"1"}, "allowWatchBookmarks": {"true"},
		"resourceVersion": {version}, "timeoutSeconds": {strconv.Itoa(int(watchFor.Seconds()))}})
	if err != nil {
		return version, err
	}
	resp, err := k.client.Do(r)
	if err != nil {
		return version, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return version, &statusError{resp.StatusCode, string(text)}
	}
	began := time.Now()
	for decoder := json.NewDecoder(resp.Body); ; {
		var e struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) && time.Since(began) > time.Second {
			return version, nil // the server ends a watch by its timeout, or when it restarts
		} else if err != nil {
			return version, err
		}
		if e.Type == "ERROR" { // 410 Gone: the version is too old, so list again
			return version, fmt.Errorf("the API server ended the watch: %.300s", e.Object)
		}
		var s endpointSlice
		if err := json.Unmarshal(e.Object, &s); err != nil {
			return version, err
		}
		version = s.Metadata.ResourceVersion
		switch e.Type {
		case "ADDED", "MODIFIED":
			to[s.Metadata.Name] = s
		case "DELETED":
			delete(to, s.Metadata.Name)
		default: // BOOKMARK
			continue
		}
		tell()
	}
}

func (k *Kubernetes) request(ctx context.Context, query url.Values) (*http.Request, error) {
	token, err := os.ReadFile(k.token)
	if err != nil {
		return nil, err
	}
	u := k.base + "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(k.namespace) + "/endpointslices?" + query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("Accept", "application/json")
	return r, nil
}

package discovery

import (
	"bytes"
	"cmp"
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
	"strconv"
	"strings"
	"time"
)

// Consul is a client of a Consul agent's HTTP API.
type Consul struct {
	base   *url.URL
	token  string
	client *http.Client
}

// Limits of the client.
const (
	blockFor      = 30 * time.Second // of a blocking query; Consul adds up to a sixteenth
	answerWithin  = 10 * time.Second // of a query that does not block
	betweenBlocks = 50 * time.Millisecond
	maxAnswer     = 16 << 20 // bytes
)

// ConsulFromEnv returns a client that the variables of Consul's own tools configure:
// CONSUL_HTTP_ADDR (http://127.0.0.1:8500 by default), CONSUL_HTTP_SSL, CONSUL_HTTP_TOKEN
// and CONSUL_CACERT. A given address replaces CONSUL_HTTP_ADDR.
func ConsulFromEnv(address string) (*Consul, error) {
	var authority []byte
	if file := os.Getenv("CONSUL_CACERT"); file != "" {
		var err error
		if authority, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("CONSUL_CACERT: %w", err)
		}
	}
	address = cmp.Or(address, os.Getenv("CONSUL_HTTP_ADDR"), "127.0.0.1:8500")
	if !strings.Contains(address, "://") {
		scheme := "http"
		if on, _ := strconv.ParseBool(os.Getenv("CONSUL_HTTP_SSL")); on {
			scheme = "https"
		}
		address = scheme + "://" + address
	}
	c, err := NewConsul(address, os.Getenv("CONSUL_HTTP_TOKEN"), authority)
	if err != nil {
		return nil, fmt.Errorf("address of Consul: %w", err)
	}
	return c, nil
}

// NewConsul returns a client of the agent at an http or https URL. The token may be empty.
// A nil authority, in PEM, means those of the system.
func NewConsul(address, token string, authority []byte) (*Consul, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("must be the URL of a Consul agent, such as http://127.0.0.1:8500")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 10 * time.Second}).DialContext
	if authority != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return nil, errors.New("the authority's file holds no certificate in PEM")
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &Consul{base: base, token: token, client: &http.Client{Transport: transport}}, nil
}

// Host returns host:port of the agent.
func (c *Consul) Host() string {
	if c.base.Port() != "" {
		return c.base.Host
	}
	if c.base.Scheme == "https" {
		return net.JoinHostPort(c.base.Hostname(), "443")
	}
	return net.JoinHostPort(c.base.Hostname(), "80")
}

// Check returns an error if the agent does not answer, or knows no leader of its servers.
func (c *Consul) Check(ctx context.Context) error {
	var leader string
	if _, err := c.do(ctx, answerWithin, http.MethodGet, "/v1/status/leader", nil, nil, &leader); err != nil {
		return err
	}
	if leader == "" {
		return fmt.Errorf("the Consul servers of %s have no leader", c.base.Host)
	}
	return nil
}

// serviceEntry is a part of an element of the response to /v1/health/service.
type serviceEntry struct {
	Node    struct{ Address string }
	Service struct {
		Address string
		Port    int
	}
}

// Watch implements Watch with blocking queries for the instances whose checks all pass. Any
// server of Consul may answer them, also while there is no leader.
func (c *Consul) Watch(ctx context.Context, service string, report func([]string)) error {
	for index := uint64(0); ; {
		query := url.Values{"passing": {"1"}, "stale": {""}}
		timeout := answerWithin
		if index > 0 {
			query.Set("index", strconv.FormatUint(index, 10))
			query.Set("wait", strconv.Itoa(int(blockFor.Seconds()))+"s")
			timeout += blockFor + blockFor/16
		}
		var entries []serviceEntry
		header, err := c.do(ctx, timeout, http.MethodGet, "/v1/health/service/"+url.PathEscape(service), query, nil, &entries)
		if err != nil {
			return err
		}
		next, err := strconv.ParseUint(header.Get("X-Consul-Index"), 10, 64)
		if err != nil {
			return fmt.Errorf("consul answered with the index %q", header.Get("X-Consul-Index"))
		}
		if next < index { // the servers were restored; https://developer.hashicorp.com/consul/api-docs/features/blocking
			index = 0
			continue
		}
		index = max(next, 1)
		report(addressesOf(entries))
		select { // a service that flaps must not make this a busy loop
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(betweenBlocks):
		}
	}
}

func addressesOf(entries []serviceEntry) []string {
	var out []string
	for _, e := range entries {
		host := e.Service.Address
		if host == "" {
			host = e.Node.Address
		}
		if host != "" && e.Service.Port > 0 {
			out = append(out, net.JoinHostPort(host, strconv.Itoa(e.Service.Port)))
		}
	}
	return out
}

// statusError is a response that is not 200 OK.
type statusError struct {
	code int
	text string
}

func (e *statusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", e.code, http.StatusText(e.code), e.text))
}

// do makes a request with an optional body and decodes the answer into out, if not nil.
func (c *Consul) do(ctx context.Context, timeout time.Duration, method, path string, query url.Values, body, out any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	}
	u := c.base.JoinPath(path)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, u.String(), content)
	if err != nil {
		return nil, err
	}
	if c.token != "" {
		r.Header.Set("X-Consul-Token", c.token)
	}
	header, err := exchange(c.client, r, out)
	if err != nil {
		return nil, fmt.Errorf("consul: %w", err)
	}
	return header, nil
}

// exchange sends a request and decodes the JSON of the response into out, if not nil.
func exchange(client *http.Client, r *http.Request, out any) (http.Header, error) {
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return nil, &statusError{resp.StatusCode, string(text)}
	}
	if out != nil {
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
			return nil, fmt.Errorf("%s: %w", r.URL.Path, err)
		}
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection is used again
	return resp.Header, nil
}

package watch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/tenhop/tenhop/query"
)

// newClient returns the client of a receiver. Posts are rare, so connections are not kept.
func newClient() *http.Client {
	return &http.Client{Timeout: sendTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// NewReceiver returns the receiver that target names: slack://CHANNEL, the URL of a
// webhook, or file:PATH for Markdown. An incoming webhook of Slack is recognised by its
// host. The token of Slack is in secrets; body, if not nil, makes the body of a webhook.
func NewReceiver(target string, secrets Secrets, body *template.Template) (Receiver, error) {
	if path, ok := strings.CutPrefix(target, "file:"); ok && strings.TrimPrefix(path, "//") != "" {
		return &markdownFile{strings.TrimPrefix(path, "//")}, nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" {
		return nil, errors.New("must be slack://CHANNEL, http://HOST/PATH, https://HOST/PATH or file:PATH") // it may hold a secret
	}
	switch u.Scheme {
	case "slack":
		if secrets.Slack == "" {
			return nil, fmt.Errorf("slack://%s needs the bot's token in SLACK_BOT_TOKEN", u.Host)
		}
		return newSlackBot(u.Host, secrets), nil
	case "http", "https":
		if u.Hostname() == "hooks.slack.com" {
			return &slackHook{u, newClient()}, nil
		}
		return &webhook{u, body, newClient()}, nil
	}
	return nil, fmt.Errorf("the scheme %q is not known; it must be slack, http, https or file", u.Scheme)
}

// Secrets holds the credentials of receivers.
type Secrets struct {
	Slack    string // bot token with the scope chat:write
	SlackAPI string // base URL of Slack's API, ending in a slash; that of slack.com if empty
	Grafana  string // service account token that may write annotations
}

// place returns the name of a URL without what may be secret: credentials, path and query.
// Two webhooks of a host differ by a hash of the rest.
func place(u *url.URL) string {
	sum := uint32(2166136261)
	for _, c := range []byte(u.RequestURI()) {
		sum = (sum ^ uint32(c)) * 16777619
	}
	return fmt.Sprintf("%s://%s/…%08x", u.Scheme, u.Host, sum)
}

type webhook struct {
	url    *url.URL
	body   *template.Template
	client *http.Client
}

// Name implements Receiver.
func (w *webhook) Name() string { return place(w.url) }

// Send implements Receiver. A webhook gets every state; the ID tells the incident.
func (w *webhook) Send(ctx context.Context, m Message) (string, error) {
	var b bytes.Buffer
	if w.body == nil {
		if err := json.NewEncoder(&b).Encode(m); err != nil {
			return "", err
		}
	} else if err := w.body.Execute(&b, m); err != nil {
		return "", err
	}
	_, err := call(ctx, w.client, http.MethodPost, w.url, "", &b)
	return "", err
}

// NewTemplate parses the body of a webhook. Its data is a Message; {{json .Headline}}
// quotes a value.
func NewTemplate(text string) (*template.Template, error) {
	t, err := template.New("body").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	}}).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	return t, t.Execute(io.Discard, Message{})
}

// call sends JSON and returns the body of a successful response, at most 64 KiB of it.
// Its error names no path, which may be secret.
func call(ctx context.Context, client *http.Client, method string, u *url.URL, token string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, errors.New("invalid request")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tenhop")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return nil, &statusError{resp.StatusCode, query.Printable(cut(string(answer), 200))}
	}
	return answer, err
}

type statusError struct {
	code int
	text string
}

// Error implements error.
func (e *statusError) Error() string {
	return fmt.Sprintf("answered %d %s: %s", e.code, http.StatusText(e.code), e.text)
}

// grafana writes one annotation per incident, from its beginning to its recovery.
type grafana struct {
	base   *url.URL
	token  string
	client *http.Client
}

// NewGrafana returns a receiver that writes annotations to the Grafana at base.
func NewGrafana(base string, secrets Secrets) (Receiver, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be a URL such as http://grafana:3000")
	}
	return &grafana{u, secrets.Grafana, newClient()}, nil
}

// Name implements Receiver.
func (g *grafana) Name() string { return "grafana " + g.base.Host }

// Send implements Receiver.
func (g *grafana) Send(ctx context.Context, m Message) (string, error) {
	end := time.Now()
	if m.Recovered != nil {
		end = *m.Recovered
	}
	body, err := json.Marshal(map[string]any{"time": m.Began.UnixMilli(), "timeEnd": max(end.UnixMilli(), m.Began.UnixMilli()),
		"tags": []string{"tenhop", m.State}, "text": htmlEscaper.Replace(m.Headline + " (" + m.Alerts + ")")})
	if err != nil {
		return "", err
	}
	if m.Ref != "" {
		_, err := call(ctx, g.client, http.MethodPatch, g.base.JoinPath("api", "annotations", m.Ref), g.token, bytes.NewReader(body))
		var status *statusError
		if !errors.As(err, &status) || status.code != http.StatusNotFound { // else somebody removed it
			return m.Ref, err
		}
	}
	answer, err := call(ctx, g.client, http.MethodPost, g.base.JoinPath("api", "annotations"), g.token, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	var created struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil || created.ID == 0 {
		return "", fmt.Errorf("the answer names no annotation; is %s a Grafana?", g.base.Host)
	}
	return strconv.FormatInt(created.ID, 10), nil
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// markdownFile keeps one section per incident in a file.
type markdownFile struct{ path string }

// maxMarkdown is the size above which the oldest sections are removed.
const maxMarkdown = 4 << 20

// Name implements Receiver.
func (f *markdownFile) Name() string { return "file:" + f.path }

// Send implements Receiver. A file that exists keeps its permissions, and a link leads to it
// as before.
func (f *markdownFile) Send(_ context.Context, m Message) (string, error) {
	old, perm, err := f.read()
	if err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return "", err
	}
	begin, end := "<!-- incident "+m.ID+" -->\n", "<!-- end "+m.ID+" -->\n"
	section, text := begin+m.Markdown()+end, string(old)
	from := strings.Index(text, begin)
	to := strings.Index(text, end)
	if from >= 0 && to > from {
		text = text[:from] + section + text[to+len(end):]
	} else {
		text += section
	}
	for len(text) > maxMarkdown {
		next := strings.Index(text[1:], "\n<!-- incident ")
		if next < 0 {
			break
		}
		text = text[next+2:]
	}
	return "", replaceFile(path, []byte(text), perm)
}

// read returns the content and the permissions of the file, which it makes if there is none.
func (f *markdownFile) read() ([]byte, fs.FileMode, error) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	content, err := io.ReadAll(file)
	return content, info.Mode().Perm(), err
}

// printer prints messages; for --dry-run.
type printer struct{ out io.Writer }

// NewPrinter returns a receiver that prints messages as Markdown.
func NewPrinter(out io.Writer) Receiver { return printer{out} }

// Name implements Receiver.
func (printer) Name() string { return "printer" }

// Send implements Receiver.
func (p printer) Send(_ context.Context, m Message) (string, error) {
	_, err := fmt.Fprintf(p.out, "%s\n", m.Markdown())
	return "", err
}

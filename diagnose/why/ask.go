package why

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/middleware/flight"
	"github.com/tenhop/tenhop/query"
)

// Process identifies the admin port of a process of a service.
type Process struct {
	Name  string // of the process, "" if it is not known
	URL   string // base URL, without flight.Path
	Token string // bearer token
}

// Limits of a recording.
const (
	// Longest is the time after which a recording ends, whatever it holds.
	Longest = 8 * time.Second

	// Enough is the number of slow requests after which it ends.
	Enough = 30

	// longestPause bounds how long the rest after another recording is waited for.
	longestPause = 20 * time.Second
)

// UnknownProcessError reports that the admin port of a service is not known.
type UnknownProcessError struct{ Service string }

// Error implements error.
func (e *UnknownProcessError) Error() string { return "no admin port of " + e.Service + " is known" }

// Explain records the process of the first finding about self time, or else about a link,
// and adds to the finding on what its slow requests spend their own time. It appends a
// source named "flight" to the result. The error is reported there as well.
//
// processes maps services and, where there are several, their instances to processes.
func Explain(ctx context.Context, client *http.Client, processes map[string]Process, res *result.Result) error {
	f := chosen(res.Findings)
	if f == nil {
		return nil
	}
	began := time.Now()
	src := result.Source{Name: "flight", OK: true}
	err := explain(ctx, client, processes, f, &src)
	src.TookMS = float64(time.Since(began).Milliseconds())
	if err != nil {
		src.OK, src.Error = false, err.Error()
	}
	res.Sources = append(res.Sources, src)
	return err
}

// chosen returns the finding whose hop is asked, or nil.
func chosen(findings []result.Finding) *result.Finding {
	for _, kind := range []string{result.KindSelf, result.KindLink} {
		for i := range findings {
			if findings[i].Kind == kind {
				return &findings[i]
			}
		}
	}
	return nil
}

func explain(ctx context.Context, client *http.Client, processes map[string]Process, f *result.Finding, src *result.Source) error {
	p, ok := processes[f.Instance]
	if !ok || f.Instance == "" {
		if p, ok = processes[f.Hop]; !ok {
			return &UnknownProcessError{f.Hop}
		}
		if f.Instance != "" && p.Name != f.Instance {
			src.Note = "the admin port of " + f.Instance + " is not known; " + p.Name + " was asked"
		}
	}
	src.URL = query.Redact(p.URL)
	slower := time.Duration(0)
	if f.Kind == result.KindSelf && f.AddedMS > 0 { // of one call of several, a slow request may be below it: then the time ends the recording
		slower = time.Duration(f.AddedMS / 2 * float64(time.Millisecond))
	}
	content, err := p.record(ctx, client, f.Operation, slower)
	if err != nil {
		return err
	}
	w, err := Read(bytes.NewReader(content), f.Operation, 0)
	if err != nil {
		return err
	}
	w.Instance = p.Name
	f.Why, src.Read = w, len(w.Parts)
	return nil
}

// record returns a trace of the process, after a pause if it asks for one.
func (p Process) record(ctx context.Context, client *http.Client, operation string, slower time.Duration) ([]byte, error) {
	q := url.Values{"seconds": {strconv.FormatFloat(Longest.Seconds(), 'f', -1, 64)}, "requests": {strconv.Itoa(Enough)},
		"operation": {operation}, "slower": {slower.String()}}
	for asked := 1; ; asked++ {
		content, wait, err := p.get(ctx, client, q)
		if wait == 0 || asked == 3 || wait > longestPause {
			return content, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// get asks once. With an error that a later request may not have, it returns how long to
// wait.
func (p Process) get(ctx context.Context, client *http.Client, q url.Values) (content []byte, wait time.Duration, err error) {
	at := strings.TrimSuffix(p.URL, "/") + flight.Path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"?"+q.Encode(), nil)
	if err != nil {
		return nil, 0, err
	}
	if p.Token != "" {
		req.Header.Set("Authorization", "Bearer "+p.Token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // best effort
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return nil, time.Duration(seconds) * time.Second, &StatusError{query.Redact(at), resp.StatusCode, strings.TrimSpace(string(text))}
	}
	content, err = io.ReadAll(io.LimitReader(resp.Body, flight.MaxBytes+1))
	if err == nil && len(content) > flight.MaxBytes {
		err = fmt.Errorf("%s: longer than %d MiB", query.Redact(at), flight.MaxBytes>>20)
	}
	return content, 0, err
}

// StatusError reports a response with another status than 200.
type StatusError struct {
	URL    string
	Status int
	Text   string // beginning of the response
}

// Error implements error.
func (e *StatusError) Error() string {
	advice := ""
	switch e.Status {
	case http.StatusNotFound:
		advice = "; mount flight.Handler with a token on the admin port of the service, see docs/middleware/why.md"
	case http.StatusUnauthorized, http.StatusForbidden:
		advice = "; give the token of the admin port"
	}
	return fmt.Sprintf("%s: %d %s: %s%s", e.URL, e.Status, http.StatusText(e.Status), e.Text, advice)
}

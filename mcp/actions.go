package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/tenhop/tenhop/drill"
	"github.com/tenhop/tenhop/middleware/chaos"
)

// Actions injects faults and runs drills through the API of a console, which enforces
// the limits of both.
type Actions struct {
	Console string // base URL
	Token   string
	Client  *http.Client // http.DefaultClient if nil
}

// Fault asks for a fault in a service.
type Fault struct {
	Service   string  `json:"service"`
	Kind      string  `json:"kind" jsonschema:"latency, error or another kind of tenhop chaos kinds"`
	For       string  `json:"for" jsonschema:"how long it lasts, such as 2m; 1h at most"`
	Latency   string  `json:"latency,omitempty" jsonschema:"of kind latency, such as 300ms"`
	Code      string  `json:"code,omitempty" jsonschema:"of kind error, such as UNAVAILABLE or 503"`
	Operation string  `json:"operation,omitempty" jsonschema:"every operation if empty"`
	Percent   float64 `json:"percent,omitempty" jsonschema:"of the requests; 100 if missing"`
}

// Faults lists injected faults.
type Faults struct {
	Sealed   bool     `json:"sealed" jsonschema:"a drill hides a fault, so the list is empty"`
	Faults   []string `json:"faults" jsonschema:"each as JSON"`
	Services []string `json:"services,omitempty" jsonschema:"services that take faults"`
	More     int      `json:"more,omitempty" jsonschema:"faults that did not fit"`
}

// Drill is the state of the drill.
type Drill struct {
	Phase string `json:"phase" jsonschema:"idle, quiet before the fault, search while the clock runs, or recovery"`
	Said  string `json:"said,omitempty"`
	Error string `json:"error,omitempty" jsonschema:"why the last drill ended early"`
	Last  *Score `json:"last,omitempty" jsonschema:"the last drill that was answered"`
}

// Score is the result of a drill.
type Score struct {
	Fault          string  `json:"fault"`
	RightHop       bool    `json:"right_hop"`
	RightOperation bool    `json:"right_operation"`
	RightKind      bool    `json:"right_kind"`
	AnsweredS      float64 `json:"answered_s,omitempty" jsonschema:"seconds from the fault to the answer"`
}

// Guess answers a drill.
type Guess struct {
	Hop       string `json:"hop" jsonschema:"service"`
	Operation string `json:"operation"`
	Kind      string `json:"kind" jsonschema:"self, dependency, link or queue"`
}

// Done reports that an action was carried out.
type Done struct {
	Done bool `json:"done"`
}

func (d *Done) shorten(bool) bool  { return false }
func (d *Drill) shorten(bool) bool { return false }

func (f *Faults) shorten(bool) bool {
	if len(f.Faults) <= leastRows {
		return keep(&f.Services, leastRows)
	}
	f.More++
	return keep(&f.Faults, len(f.Faults)-1)
}

func addActions(s *sdk.Server, a *Actions) {
	read(s, "chaos_list", "Injected faults", "Lists the faults that are in force and the services that take faults. While a drill hides a fault the list is empty.", a.list)
	act(s, "chaos_inject", "Inject a fault", "Injects a fault into a service of the storefront for a limited time.", a.inject)
	act(s, "chaos_clear", "Lift all faults", "Lifts the faults that were injected by hand.", a.clear)
	read(s, "drill_state", "State of the drill", "Tells the phase of the drill that runs, and the result of the last one.", a.state)
	act(s, "drill_start", "Start a drill", "Hides a fault in the storefront after a quiet time. Find it with the tools that read, then answer with drill_answer.", a.start)
	act(s, "drill_answer", "Answer the drill", "Names the hop, operation and kind of the hidden fault. A drill takes one answer; drill_state has the score after the recovery.", a.answer)
	act(s, "drill_end", "End the drill", "Ends the drill that runs and lifts its fault.", a.end)
}

// act adds a tool that changes the storefront.
func act[In, Out any, P answer[Out]](s *sdk.Server, name, title, description string, f func(context.Context, In) (Out, error)) {
	add[In, Out, P](s, &sdk.Tool{Name: name, Title: title, Description: description, Annotations: &sdk.ToolAnnotations{}}, f)
}

func (a *Actions) list(ctx context.Context, _ None) (Faults, error) {
	var have struct {
		Faults   []json.RawMessage `json:"faults"`
		Sealed   bool              `json:"sealed"`
		Services []string          `json:"services"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/faults", nil, &have); err != nil {
		return Faults{}, err
	}
	out := Faults{Sealed: have.Sealed, Faults: []string{}, Services: have.Services}
	for _, f := range have.Faults {
		out.Faults = append(out.Faults, string(f))
	}
	return out, nil
}

func (a *Actions) inject(ctx context.Context, in Fault) (Done, error) {
	f := chaos.Fault{Kind: in.Kind, Code: in.Code, Operation: in.Operation, Percent: in.Percent}
	for _, d := range []struct {
		name, value string
		to          *chaos.Duration
	}{{"for", in.For, &f.For}, {"latency", in.Latency, &f.Latency}} {
		if d.value == "" {
			continue
		}
		parsed, err := time.ParseDuration(d.value)
		if err != nil {
			return Done{}, fmt.Errorf("%s %q: must be a duration such as 300ms or 2m", d.name, d.value)
		}
		*d.to = chaos.Duration(parsed)
	}
	return a.do(ctx, http.MethodPost, "/api/faults", map[string]any{"service": in.Service, "fault": f})
}

func (a *Actions) clear(ctx context.Context, _ None) (Done, error) {
	return a.do(ctx, http.MethodDelete, "/api/faults", nil)
}

func (a *Actions) state(ctx context.Context, _ None) (Drill, error) {
	var have struct {
		Phase   string         `json:"phase"`
		Said    string         `json:"said"`
		Error   string         `json:"error"`
		History []drill.Record `json:"history"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/drill", nil, &have); err != nil {
		return Drill{}, err
	}
	out := Drill{Phase: have.Phase, Said: have.Said, Error: have.Error}
	if len(have.History) > 0 {
		r := have.History[0].Round
		out.Last = &Score{Fault: r.Fault.String(), RightHop: r.RightHop, RightOperation: r.RightOperation, RightKind: r.RightKind}
		if r.Seconds.Answered != nil {
			out.Last.AnsweredS = *r.Seconds.Answered
		}
	}
	return out, nil
}

func (a *Actions) start(ctx context.Context, _ None) (Done, error) {
	return a.do(ctx, http.MethodPost, "/api/drill", nil)
}

func (a *Actions) answer(ctx context.Context, in Guess) (Done, error) {
	return a.do(ctx, http.MethodPost, "/api/drill/answer", in)
}

func (a *Actions) end(ctx context.Context, _ None) (Done, error) {
	return a.do(ctx, http.MethodDelete, "/api/drill", nil)
}

func (a *Actions) do(ctx context.Context, method, path string, body any) (Done, error) {
	var ignored json.RawMessage
	err := a.call(ctx, method, path, body, &ignored)
	return Done{err == nil}, err
}

// maxReply is the maximum size of a response of the console.
const maxReply = 8 << 20

// call sends a request to the console and decodes its response.
func (a *Actions) call(ctx context.Context, method, path string, body, into any) error {
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(a.Console, "/")+path, sent)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	client := a.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return errors.New("the console does not answer; `tenhop status` shows what runs")
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var failed struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(b, &failed) != nil || failed.Error == "" {
			return fmt.Errorf("the console answers %s", resp.Status)
		}
		return errors.New(failed.Error)
	}
	return json.Unmarshal(b, into)
}

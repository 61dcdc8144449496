package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tenhop/tenhop/diagnose/result"
	"github.com/tenhop/tenhop/diagnose/why"
)

// adminTokenVariable is the environment variable that stands for --admin-token-file.
const adminTokenVariable = "TENHOP_ADMIN_TOKEN"

// whyFlags are the flags of the recording in the process of a hop.
type whyFlags struct {
	why   bool
	admin map[string]string
	token string // file
}

func (w *whyFlags) add(fl *pflag.FlagSet) {
	fl.BoolVar(&w.why, "why", false, "tell on what the slow requests of the hop found spend their own time, from a recording in its process")
	fl.StringToStringVar(&w.admin, "admin", nil, "base URL of a service's admin port, `SERVICE=URL`, or of an instance of it; implies --why")
	fl.Lookup("admin").DefValue = "" // not [] in the help
	fl.StringVar(&w.token, "admin-token-file", "", "file with the bearer token of the admin ports (default: "+adminTokenVariable+", or that of what runs in this directory)")
}

func (w *whyFlags) asked() bool { return w.why || len(w.admin) > 0 }

// explain adds the own time to the first finding. What fails is in the sources.
func (w *whyFlags) explain(ctx context.Context, dir string, res *result.Result) error {
	processes, err := w.processes(dir)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: why.Longest + 20*time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the token is for this server
	}}
	err = why.Explain(ctx, client, processes, res)
	var unknown *why.UnknownProcessError
	var status *why.StatusError
	switch {
	case errors.As(err, &unknown):
		res.Sources[len(res.Sources)-1].Error += "; give --admin " + unknown.Service + "=URL"
	case errors.As(err, &status) && status.Status == http.StatusUnauthorized:
		res.Sources[len(res.Sources)-1].Error += " by --admin-token-file or " + adminTokenVariable
	}
	return nil
}

// processes returns the processes that run in dir and those of the flags.
func (w *whyFlags) processes(dir string) (map[string]why.Process, error) {
	token := os.Getenv(adminTokenVariable)
	if w.token != "" {
		content, err := os.ReadFile(w.token)
		if err != nil {
			return nil, usagef("--admin-token-file: %w", err)
		}
		token = strings.TrimSpace(string(content))
	}
	out := map[string]why.Process{}
	if state, err := readState(dir); err == nil {
		for service, names := range state.Services {
			for i, name := range names {
				p := why.Process{Name: name, URL: state.Admin[name], Token: state.Token}
				out[name] = p
				if i == 0 {
					out[service] = p
				}
			}
		}
	}
	for name, at := range w.admin {
		if u, err := url.Parse(at); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, usagef("--admin %s: use SERVICE=URL, such as payment=http://payment:9464", name)
		}
		out[name] = why.Process{Name: name, URL: at, Token: token}
	}
	if len(out) == 0 {
		return nil, usagef("--why knows no admin port: nothing runs in this directory; give --admin SERVICE=URL")
	}
	return out, nil
}

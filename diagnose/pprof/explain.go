package pprof

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/result"
)

// Length is the duration of a profile.
const Length = 2 * time.Second

// Explain adds to the first finding what its service spends more on now. Quiet
// services are profiled all and kept in dir, to compare later profiles with.
// What cannot be had is said in the result's sources.
func Explain(ctx context.Context, client *http.Client, services map[string]Service, dir string, res *result.Result) {
	began := time.Now()
	src := result.Source{Name: "pprof", OK: true}
	read, err := explain(ctx, client, services, dir, res, &src)
	src.Read, src.TookMS = read, float64(time.Since(began).Milliseconds())
	if err != nil {
		src.OK, src.Error = false, err.Error()
	}
	res.Sources = append(res.Sources, src)
}

func explain(ctx context.Context, client *http.Client, services map[string]Service, dir string, res *result.Result, src *result.Source) (read int, err error) {
	if res.Verdict == result.None {
		src.Note = "profiles of quiet times were kept in " + dir
		return keep(ctx, client, services, dir)
	}
	if len(res.Findings) == 0 {
		return 0, nil
	}
	f := &res.Findings[0]
	s, ok := services[f.Hop]
	if !ok {
		return 0, errors.New("no pprof endpoint of " + f.Hop + " is known; give --pprof " + f.Hop + "=URL")
	}
	src.URL = s.URL
	now, err := s.Take(ctx, client, Length)
	if err != nil {
		return 0, err
	}
	before, err := Load(filepath.Join(dir, f.Hop))
	if len(before) == 0 && err == nil {
		src.Note = "there is no profile of quiet times to compare with: tenhop diagnose --profile keeps one when there is no spike"
	}
	f.Profile = Compare(before, now)
	return len(now), err
}

func keep(ctx context.Context, client *http.Client, services map[string]Service, dir string) (read int, err error) {
	taken := make(map[string]*Profiles, len(services))
	var g errgroup.Group
	for name, s := range services {
		p := &Profiles{}
		taken[name] = p
		g.Go(func() (err error) {
			*p, err = s.Take(ctx, client, Length)
			return err
		})
	}
	err = g.Wait() // the others' are kept
	for name, p := range taken {
		if len(*p) > 0 {
			err = errors.Join(err, p.Save(filepath.Join(dir, name)))
			read += len(*p)
		}
	}
	return read, err
}

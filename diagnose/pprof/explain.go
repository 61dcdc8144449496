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

// UnknownServiceError reports that the pprof endpoint of a service is not known.
type UnknownServiceError struct{ Service string }

// Error implements error.
func (e *UnknownServiceError) Error() string {
	return "no pprof endpoint of " + e.Service + " is known"
}

// Explain profiles the service of the first finding, compares the profiles with those
// stored in dir, and adds the difference to the finding. If the verdict is none, it
// profiles all services and stores the profiles in dir instead. It appends a source
// named "pprof" to the result. The error is reported there as well.
func Explain(ctx context.Context, client *http.Client, services map[string]Service, dir string, res *result.Result) error {
	began := time.Now()
	src := result.Source{Name: "pprof", OK: true}
	read, err := explain(ctx, client, services, dir, res, &src)
	src.Read, src.TookMS = read, float64(time.Since(began).Milliseconds())
	if err != nil {
		src.OK, src.Error = false, err.Error()
	}
	res.Sources = append(res.Sources, src)
	return err
}

// explain implements Explain and returns the number of profiles read.
func explain(ctx context.Context, client *http.Client, services map[string]Service, dir string,
	res *result.Result, src *result.Source) (read int, err error) {
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
		return 0, &UnknownServiceError{Service: f.Hop}
	}
	src.URL = s.URL
	now, err := s.Take(ctx, client, Length)
	if err != nil {
		return 0, err
	}
	before, err := Load(filepath.Join(dir, f.Hop))
	if len(before) == 0 && err == nil {
		src.Note = "there is no profile of quiet times to compare with; one is kept whenever there is no spike"
	}
	f.Profile = Compare(before, now)
	return len(now), err
}

// keep profiles all services and stores the profiles in dir.
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
	err = g.Wait() // profiles of other services are stored anyway
	for name, p := range taken {
		if len(*p) > 0 {
			err = errors.Join(err, p.Save(filepath.Join(dir, name)))
			read += len(*p)
		}
	}
	return read, err
}

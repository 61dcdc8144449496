// Package pprof reads profiles from the /debug/pprof endpoints of services and compares
// them with profiles that were stored without a spike.
package pprof

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sync/errgroup"

	"github.com/tenhop/tenhop/diagnose/result"
)

// types lists the types of profile: the name in result.Hot, the path of net/http/pprof,
// and the type of the sample value, which is in nanoseconds.
var types = []struct{ name, path, value string }{
	{"cpu", "profile", "cpu"},
	{"block", "block", "delay"},
	{"mutex", "mutex", "delay"},
}

// maxProfile bounds the size of an uncompressed profile, in bytes.
const maxProfile = 64 << 20

// Service identifies the pprof endpoint of a service.
type Service struct {
	URL   string // base URL, without /debug/pprof
	Token string // bearer token; none if empty
}

// Profiles holds the profiles of one service by type: cpu, block, mutex.
type Profiles map[string]*profile.Profile

// Take profiles a service for length, rounded to seconds, at least 1 s. It reads all
// types concurrently. A type that fails is missing from the result. The error is that of
// the CPU profile.
func (s Service) Take(ctx context.Context, client *http.Client, length time.Duration) (Profiles, error) {
	out := make([]*profile.Profile, len(types))
	errs := make([]error, len(types))
	var g errgroup.Group
	for i, t := range types {
		g.Go(func() error {
			out[i], errs[i] = s.get(ctx, client, t.path, length)
			return nil
		})
	}
	_ = g.Wait() // errors are in errs
	p := Profiles{}
	for i, t := range types {
		if errs[i] == nil {
			p[t.name] = out[i]
		}
	}
	return p, errs[0]
}

func (s Service) get(ctx context.Context, client *http.Client, path string, length time.Duration) (*profile.Profile, error) {
	url := fmt.Sprintf("%s/debug/pprof/%s?seconds=%d", strings.TrimSuffix(s.URL, "/"), path, max(int(math.Round(length.Seconds())), 1))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // best effort
		return nil, fmt.Errorf("%s: %s: %s", url, resp.Status, strings.TrimSpace(string(why)))
	}
	p, err := parse(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return p, nil
}

// parse parses a profile, which may be compressed with gzip. It fails if the profile is
// larger than maxProfile.
func parse(r io.Reader) (*profile.Profile, error) {
	in := bufio.NewReader(r)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		in = bufio.NewReader(z)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProfile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxProfile {
		return nil, fmt.Errorf("longer than %d bytes", maxProfile)
	}
	return profile.ParseData(b)
}

// Save writes the profiles to a directory, which it creates if necessary.
func (p Profiles) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, prof := range p {
		f, err := os.OpenFile(filepath.Join(dir, name+".pb.gz"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		err = prof.Write(f)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Load reads the profiles that Save wrote. Types without a file are missing from the
// result.
func Load(dir string) (Profiles, error) {
	p := Profiles{}
	for _, t := range types {
		f, err := os.Open(filepath.Join(dir, t.name+".pb.gz"))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		prof, err := parse(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		p[t.name] = prof
	}
	return p, nil
}

// Bounds of the result of Compare.
const (
	maxFunctions = 5  // per type
	minGrowth    = 10 // ms/s; 10 ms/s of CPU is a hundredth of a processor
)

// Compare returns the functions in which a service spends at least 10 ms/s more than
// before, at most five per type, in descending order of growth. A type that is missing
// from before counts as zero, with one exception: block is then left out, because its
// largest values are idle goroutines.
func Compare(before, now Profiles) []result.Hot {
	var out []result.Hot
	for _, t := range types {
		if now[t.name] == nil || before[t.name] == nil && t.name == "block" {
			continue
		}
		was, is := spent(before[t.name], t.value), spent(now[t.name], t.value)
		var grown []result.Hot
		for function, ms := range is {
			if ms-was[function] >= minGrowth {
				grown = append(grown, result.Hot{Type: t.name, Function: function,
					BeforeMS: round(was[function]), NowMS: round(ms), Compared: before[t.name] != nil})
			}
		}
		slices.SortFunc(grown, func(a, b result.Hot) int {
			return cmp.Or(cmp.Compare(b.NowMS-b.BeforeMS, a.NowMS-a.BeforeMS), cmp.Compare(a.Function, b.Function))
		})
		out = append(out, grown[:min(len(grown), maxFunctions)]...)
	}
	return out
}

// spent returns the milliseconds per second of a profile by function.
func spent(p *profile.Profile, value string) map[string]float64 {
	out := map[string]float64{}
	if p == nil || p.DurationNanos <= 0 {
		return out
	}
	at := slices.IndexFunc(p.SampleType, func(v *profile.ValueType) bool { return v.Type == value && v.Unit == "nanoseconds" })
	if at < 0 {
		return out
	}
	for _, s := range p.Sample {
		out[function(s)] += float64(s.Value[at]) / float64(p.DurationNanos) * 1000
	}
	return out
}

// function returns the function to which a sample belongs: the one nearest to the leaf
// that is neither in the Go runtime nor in package sync or an internal package. Those
// show how a goroutine waits, not why.
func function(s *profile.Sample) string {
	leaf := ""
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function == nil {
				continue
			}
			name := line.Function.Name
			if leaf == "" {
				leaf = name
			}
			if !strings.HasPrefix(name, "runtime.") && !strings.HasPrefix(name, "sync.") && !strings.HasPrefix(name, "internal/") {
				return name
			}
		}
	}
	return leaf
}

func round(ms float64) float64 { return math.Round(ms*10) / 10 }

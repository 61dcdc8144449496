// Package corpus reads recorded, labelled incidents for `tenhop eval`.
package corpus

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/diagnose"
)

// Case is one incident: traces of an ordinary time, traces under the fault, and
// the service that is at fault.
type Case struct {
	ID, System, Fault, Service string
	Normal, Faulty             string // files, for messages and sharing
}

// Corpus is a folder of incidents in Nezha's form (cases.json and CSV files).
type Corpus struct {
	dir   string
	Cases []Case
	cache map[string][]diagnose.Trace
}

// Open reads the list of cases of a folder that holds nezha/cases.json or
// cases.json itself.
func Open(dir string) (*Corpus, error) {
	if _, err := os.Stat(filepath.Join(dir, "nezha", "cases.json")); err == nil {
		dir = filepath.Join(dir, "nezha")
	}
	data, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		return nil, fmt.Errorf("%w; --corpus must name a folder with cases.json or nezha/cases.json", err)
	}
	var list struct {
		Cases []struct {
			ID, System string
			Fault      struct{ Type, Service string }
			Faulty     string `json:"fault_spans"`
			Normal     string `json:"normal_spans"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, "cases.json"), err)
	}
	c := &Corpus{dir: dir, cache: map[string][]diagnose.Trace{}}
	for _, x := range list.Cases {
		c.Cases = append(c.Cases, Case{ID: x.ID, System: x.System, Fault: x.Fault.Type, Service: x.Fault.Service, Normal: x.Normal, Faulty: x.Faulty})
	}
	return c, nil
}

// Traces reads a file of spans; files that several cases share are kept.
func (c *Corpus) Traces(name string) ([]diagnose.Trace, error) {
	if t, ok := c.cache[name]; ok {
		return t, nil
	}
	f, err := os.Open(filepath.Join(c.dir, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	traces, err := ReadSpans(z)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	c.cache[name] = traces
	return traces, nil
}

var columns = []string{"trace_id", "span_id", "parent_id", "service", "pod", "operation", "start_unix_ns", "duration_ns"}

// ReadSpans reads CSV with the columns trace_id, span_id, parent_id, service,
// pod, operation, start_unix_ns and duration_ns. An error names the line.
func ReadSpans(r io.Reader) ([]diagnose.Trace, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.FieldsPerRecord = len(columns)
	head, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	for i, want := range columns {
		if head[i] != want {
			return nil, fmt.Errorf("line 1: column %d is %q, want %q", i+1, head[i], want)
		}
	}
	index := map[string]int{}
	var out []diagnose.Trace
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err // csv's errors name the line
		}
		line, _ := in.FieldPos(0)
		start, err := strconv.ParseInt(rec[6], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: start_unix_ns: %w", line, err)
		}
		d, err := strconv.ParseInt(rec[7], 10, 64)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("line %d: duration_ns %q is not a duration", line, rec[7])
		}
		i, ok := index[rec[0]]
		if !ok {
			i = len(out)
			index[rec[0]] = i
			out = append(out, diagnose.Trace{ID: rec[0]})
		}
		out[i].Spans = append(out[i].Spans, diagnose.Span{ID: rec[1], Parent: rec[2], Service: rec[3], Operation: rec[5],
			Start: time.Unix(0, start), Duration: time.Duration(d), Attributes: map[string]string{"pod": rec[4]}})
	}
}

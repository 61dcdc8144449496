// Package corpus reads recorded, labelled incidents for `tenhop eval`.
package corpus

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tenhop/tenhop/diagnose/compare"
	"github.com/tenhop/tenhop/trace"
)

// Case is one incident: the files of an ordinary window and of the window with the
// fault. Fault is the type of fault and Service the service at which it was injected.
type Case struct {
	ID, System, Fault, Service string
	Normal, Faulty             Files
}

// Files names the files of one window, relative to the corpus and separated by slashes.
// Logs is empty if there are no logs.
type Files struct{ Spans, Logs string }

// Window holds the traces of a window and their log lines by trace ID.
type Window struct {
	Traces []trace.Trace
	Lines  map[string][]compare.LogLine
}

// Nezha is a corpus of incidents with spans and logs, converted from the Nezha dataset
// (Yu et al. 2023).
type Nezha struct {
	dir   string
	Cases []Case
}

// OpenNezha opens a corpus: a directory with a cases.json, which lists the incidents.
func OpenNezha(dir string) (*Nezha, error) {
	var list struct {
		Cases []struct {
			ID, System string
			Fault      struct{ Type, Service string }
			Faulty     string `json:"fault_spans"`
			Normal     string `json:"normal_spans"`
			FaultyLogs string `json:"fault_logs"`
			NormalLogs string `json:"normal_logs"`
		} `json:"cases"`
	}
	if err := readJSON(filepath.Join(dir, "cases.json"), &list); err != nil {
		return nil, err
	}
	n := &Nezha{dir: dir}
	for _, x := range list.Cases {
		n.Cases = append(n.Cases, Case{ID: x.ID, System: x.System, Fault: x.Fault.Type, Service: x.Fault.Service,
			Normal: Files{x.Normal, x.NormalLogs}, Faulty: Files{x.Faulty, x.FaultyLogs}})
	}
	return n, nil
}

// Window reads the files of a window. An error names the file and the line.
func (n *Nezha) Window(f Files) (Window, error) {
	var w Window
	err := readGzip(filepath.Join(n.dir, filepath.FromSlash(f.Spans)), func(r io.Reader) (err error) {
		w.Traces, err = ReadSpans(r)
		return err
	})
	if err != nil || f.Logs == "" {
		return w, err
	}
	err = readGzip(filepath.Join(n.dir, filepath.FromSlash(f.Logs)), func(r io.Reader) (err error) {
		w.Lines, err = ReadLogs(r)
		return err
	})
	return w, err
}

// ReadSpans reads CSV with the columns trace_id, span_id, parent_id, service,
// pod, operation, start_unix_ns and duration_ns. An error names the line.
func ReadSpans(r io.Reader) ([]trace.Trace, error) {
	index := map[string]int{}
	var out []trace.Trace
	columns := []string{"trace_id", "span_id", "parent_id", "service", "pod", "operation", "start_unix_ns", "duration_ns"}
	err := readCSV(r, columns, func(rec []string) error {
		start, err := strconv.ParseInt(rec[6], 10, 64)
		if err != nil {
			return fmt.Errorf("start_unix_ns %q is not a number", rec[6])
		}
		d, err := strconv.ParseInt(rec[7], 10, 64)
		if err != nil || d < 0 {
			return fmt.Errorf("duration_ns %q is not a duration", rec[7])
		}
		i, ok := index[rec[0]]
		if !ok {
			i = len(out)
			index[rec[0]] = i
			out = append(out, trace.Trace{ID: rec[0]})
		}
		out[i].Spans = append(out[i].Spans, trace.Span{ID: rec[1], Parent: rec[2], Service: rec[3], Operation: rec[5],
			Start: time.Unix(0, start), Duration: time.Duration(d)})
		return nil
	})
	return out, err
}

// ReadLogs reads CSV with the columns unix_ns, trace_id, service, pod and
// message. It returns the log lines by trace ID. An error names the line.
func ReadLogs(r io.Reader) (map[string][]compare.LogLine, error) {
	out := map[string][]compare.LogLine{}
	err := readCSV(r, []string{"unix_ns", "trace_id", "service", "pod", "message"}, func(rec []string) error {
		at, err := strconv.ParseInt(rec[0], 10, 64)
		if err != nil {
			return fmt.Errorf("unix_ns %q is not a number", rec[0])
		}
		out[rec[1]] = append(out[rec[1]], compare.LogLine{Service: rec[2], Message: rec[4], Time: time.Unix(0, at)})
		return nil
	})
	return out, err
}

// Exists reports whether a directory holds a corpus.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cases.json"))
	return err == nil
}

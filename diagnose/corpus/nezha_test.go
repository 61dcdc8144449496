package corpus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/diagnose/corpus"
)

const (
	spanHead = "trace_id,span_id,parent_id,service,pod,operation,start_unix_ns,duration_ns\n"
	logHead  = "unix_ns,trace_id,service,pod,message\n"
)

func TestReadSpans(t *testing.T) {
	got, err := corpus.ReadSpans(strings.NewReader(spanHead + "a,1,,front,p,GET /,1000,500\nb,1,,front,p,GET /,2000,500\na,2,1,back,p,find,1100,200\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0].Spans) != 2 || got[0].Spans[1].Parent != "1" || got[0].Spans[1].Duration != 200 || !got[0].Spans[1].Start.Equal(time.Unix(0, 1100)) {
		t.Errorf("read %+v", got)
	}
}

func TestReadLogs(t *testing.T) {
	got, err := corpus.ReadLogs(strings.NewReader(logHead + "1000,a,front,p,\"hello, you\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got["a"]) != 1 || got["a"][0].Message != "hello, you" || got["a"][0].Service != "front" {
		t.Errorf("read %+v", got)
	}
}

// Errors name the line.
func TestBadLines(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "line 1"},
		{"another file", "time,value\n", "line 1: columns"},
		{"a time that is no number", spanHead + "a,1,,f,p,o,1000,5\na,2,1,f,p,o,soon,5\n", `line 3: start_unix_ns "soon"`},
		{"a negative duration", spanHead + "a,1,,f,p,o,1000,-5\n", `line 2: duration_ns "-5"`},
		{"a record that is cut off", spanHead + "a,1,,f\n", "line 2"},
		{"a quote without an end", spanHead + "a,\"1,,f,p,o,1,1\n", "line 2"},
	} {
		if _, err := corpus.ReadSpans(strings.NewReader(c.in)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to say %q", c.name, err, c.want)
		}
	}
	if _, err := corpus.ReadLogs(strings.NewReader(logHead + "x,a,f,p,m\n")); err == nil || !strings.Contains(err.Error(), "line 2: unix_ns") {
		t.Errorf("error %v, want it to name line 2 and unix_ns", err)
	}
}

func FuzzReadSpans(f *testing.F) {
	f.Add(spanHead + "a,1,,f,p,o,1000,5\n")
	f.Add(spanHead + "a,1,1,f,p,o,-9223372036854775808,9223372036854775807\n")
	f.Fuzz(func(t *testing.T, in string) {
		traces, err := corpus.ReadSpans(strings.NewReader(in))
		if err != nil {
			return
		}
		for _, tr := range traces {
			if len(tr.Spans) == 0 {
				t.Error("a trace without spans")
			}
			for _, s := range tr.Spans {
				if s.Duration < 0 {
					t.Errorf("duration %v", s.Duration)
				}
			}
		}
	})
}

func FuzzReadLogs(f *testing.F) {
	f.Add(logHead + "1000,a,front,p,hello\n")
	f.Fuzz(func(t *testing.T, in string) {
		lines, err := corpus.ReadLogs(strings.NewReader(in))
		if err == nil && lines == nil {
			t.Error("neither lines nor an error")
		}
	})
}

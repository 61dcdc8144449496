package typescript_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tenhop/tenhop/console/internal/typescript"
)

type timeout time.Duration

func (timeout) MarshalText() ([]byte, error) { return nil, nil }

type opaque struct{}

func (opaque) MarshalJSON() ([]byte, error) { return nil, nil }

type segment [2]int64

type place struct {
	Hop string `json:"hop"`
}

type span struct {
	place
	Place    place             `json:"place"`
	At       time.Time         `json:"at"`
	Timeout  timeout           `json:"timeout,omitempty"`
	Mean     *float64          `json:"mean"`
	P95      *float64          `json:"p95,omitempty"`
	Busy     []segment         `json:"busy"`
	Children []*span           `json:"children"`
	Labels   map[string]string `json:"labels,omitempty"`
	Fields   map[string]any    `json:"fields"`
	Raw      json.RawMessage   `json:"raw"`
	Known    json.RawMessage   `json:"known"`
	Perhaps  json.RawMessage   `json:"perhaps,omitempty"`
	Inline   []struct {
		OK bool `json:"ok"`
	} `json:"inline"`
	Hidden string `json:"-"`
	_      string // unexported
}

func TestDeclare(t *testing.T) {
	of := reflect.TypeFor[span]()
	d := typescript.Declarer{
		Names: map[reflect.Type]string{reflect.TypeFor[place](): "Place"},
		Raw:   map[typescript.Member]reflect.Type{{Struct: of, Field: "Known"}: reflect.TypeFor[place](), {Struct: of, Field: "Perhaps"}: reflect.TypeFor[place]()},
	}
	name, err := d.Expression(reflect.TypeFor[[]span]())
	if err != nil || name != "span[]" {
		t.Fatalf("Expression = %q, %v", name, err)
	}
	const want = `export type Place = {
  hop: string;
};
export type segment = [number, number];
export type span = {
  hop: string;
  place: Place;
  at: string;
  timeout?: string;
  mean: number | null;
  p95?: number;
  busy: segment[];
  children: span[];
  labels?: Record<string, string>;
  fields: Record<string, unknown>;
  raw: unknown;
  known: Place | null;
  perhaps?: Place;
  inline: {
  ok: boolean;
}[];
};
`
	if got := d.Declarations(); got != want {
		t.Errorf("Declarations:\n%s\nwant:\n%s", got, want)
	}
}

func TestRefused(t *testing.T) {
	type Place struct{} // the name of another type
	for why, of := range map[string]reflect.Type{
		"writes its own JSON": reflect.TypeFor[opaque](),
		"has no form in JSON": reflect.TypeFor[chan int](),
		"has no name in JSON": reflect.TypeFor[struct{ A int }](),
		"are both named place": reflect.TypeFor[struct {
			A place `json:"a"`
			B Place `json:"b"`
		}](),
	} {
		d := typescript.Declarer{Names: map[reflect.Type]string{reflect.TypeFor[Place](): "place"}}
		if _, err := d.Expression(of); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v: %v, want %q", of, err, why)
		}
	}
}

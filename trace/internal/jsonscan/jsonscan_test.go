package jsonscan_test

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/tenhop/tenhop/trace/internal/jsonscan"
)

func TestInt(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"5", 5, true}, {"-5", -5, true}, {`"1700000000123456789"`, 1_700_000_000_123_456_789, true}, {"1.5e3", 1500, true},
		{"9223372036854775807", math.MaxInt64, true}, {"9223372036854775808", 0, false}, {`"-9223372036854775808"`, math.MinInt64, true},
		{"null", 0, true}, {`""`, 0, false}, {`"-"`, 0, false}, {"true", 0, false}, {`"NaN"`, 0, false}, {"{}", 0, false}, {"1e400", 0, false},
	} {
		if got, ok := jsonscan.New([]byte(c.text)).Int(); got != c.want || ok != c.ok {
			t.Errorf("%s is %d, %v; want %d, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestClip(t *testing.T) {
	if got := jsonscan.Clip("a\x1b[2J\nb\xff"); got != "a [2J b" {
		t.Errorf("%q", got)
	}
}

// What encoding/json accepts is read to its end, and texts are the same.
func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"a\u00e9":["\ud83d\ude00","\\",1e5,null,true,{}],"b":[[]]}`))
	f.Add([]byte(`"\ud800"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := jsonscan.New(b)
		whole.Skip()
		text := jsonscan.New(b)
		got := string(text.Text())
		if !json.Valid(b) {
			return
		}
		if err := whole.Err(); err != nil {
			t.Fatal(err)
		}
		if c := whole.Next(); c != 0 {
			t.Fatalf("%q is left", c)
		}
		var want string
		if utf8.Valid(b) && json.Unmarshal(b, &want) == nil && got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

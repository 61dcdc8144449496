package jaegerquery

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/tenhop/tenhop/stack/tracestore"
)

// Jaeger's defaults.
const (
	defaultSearchLimit         = 100
	maxSearchLimit             = 5000 // the traces of a response are held in memory
	defaultSearchLookback      = 48 * time.Hour
	defaultDependencyLookback  = 24 * time.Hour
	maxTraceIDLength           = 32
	minLengthWithHighTraceBits = 17
)

// parseTraceID parses up to 32 hexadecimal digits. Leading zeroes may be missing,
// as in 64-bit IDs.
func parseTraceID(s string) (pcommon.TraceID, error) {
	var id pcommon.TraceID
	if s == "" {
		return id, errors.New("traceID cannot be empty")
	}
	if len(s) > maxTraceIDLength {
		return id, fmt.Errorf("TraceID cannot be longer than %d hex characters: %s", maxTraceIDLength, s)
	}
	var high, low uint64
	var err error
	if len(s) >= minLengthWithHighTraceBits {
		if high, err = strconv.ParseUint(s[:len(s)-16], 16, 64); err != nil {
			return id, err
		}
		s = s[len(s)-16:]
	}
	if low, err = strconv.ParseUint(s, 16, 64); err != nil {
		return id, err
	}
	binary.BigEndian.PutUint64(id[:8], high)
	binary.BigEndian.PutUint64(id[8:], low)
	return id, nil
}

// search is a parsed query of the legacy API.
type search struct {
	query tracestore.Query
	ids   []pcommon.TraceID
	raw   bool
}

func (s *server) parseSearch(r *http.Request) (search, error) {
	var out search
	q := &out.query
	var err error
	q.Service, q.Operation = r.FormValue("service"), r.FormValue("operation")
	if q.StartMin, err = s.parseEpoch(r, "start", time.Microsecond, s.now().Add(-defaultSearchLookback)); err != nil {
		return out, err
	}
	if q.StartMax, err = s.parseEpoch(r, "end", time.Microsecond, s.now()); err != nil {
		return out, err
	}
	if q.Attributes, err = parseTags(r.Form["tag"], r.Form["tags"]); err != nil {
		return out, err
	}
	q.Limit = defaultSearchLimit
	if v := r.FormValue("limit"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return out, err
		}
		if n <= 0 || n > maxSearchLimit {
			return out, errSearchDepth
		}
		q.Limit = int(n)
	}
	if q.DurationMin, err = parseDuration(r, "minDuration"); err != nil {
		return out, err
	}
	if q.DurationMax, err = parseDuration(r, "maxDuration"); err != nil {
		return out, err
	}
	for _, v := range r.Form["traceID"] {
		id, err := parseTraceID(v)
		if err != nil {
			return out, fmt.Errorf("cannot parse traceID param: %w", err)
		}
		if !slices.Contains(out.ids, id) {
			out.ids = append(out.ids, id)
		}
		if len(out.ids) > maxSearchLimit {
			return out, errTooManyIDs
		}
	}
	if out.raw, err = parseBool(r, "raw"); err != nil {
		return out, err
	}
	if len(out.ids) == 0 && q.Service == "" {
		return out, errServiceRequired
	}
	if q.DurationMin != 0 && q.DurationMax != 0 && q.DurationMax < q.DurationMin {
		return out, errors.New("'maxDuration' should be greater than 'minDuration'")
	}
	return out, nil
}

var errSearchDepth = fmt.Errorf("search depth must be greater than 0 and at most %d", maxSearchLimit)

var errTooManyIDs = fmt.Errorf("more than %d different traceID parameters", maxSearchLimit)

var errServiceRequired = errors.New("parameter 'service' is required")

// parseEpoch parses a number of units since the Unix epoch.
func (s *server) parseEpoch(r *http.Request, name string, unit time.Duration, fallback time.Time) (time.Time, error) {
	v := r.FormValue(name)
	if v == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return time.Time{}, paramError(name, err)
	}
	if unit == time.Millisecond {
		return time.UnixMilli(n), nil
	}
	return time.UnixMicro(n), nil
}

func parseDuration(r *http.Request, name string) (time.Duration, error) {
	v := r.FormValue(name)
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		return 0, paramError(name, err)
	}
	return d, nil
}

func parseBool(r *http.Request, name string) (bool, error) {
	v := r.FormValue(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, paramError(name, err)
	}
	return b, nil
}

// parseTags parses "key:value" pairs and JSON objects of strings.
func parseTags(simple, objects []string) (map[string]string, error) {
	out := map[string]string{}
	for _, tag := range simple {
		k, v, ok := strings.Cut(tag, ":")
		if !ok {
			return nil, fmt.Errorf("malformed 'tag' parameter, expecting key:value, received: %s", tag)
		}
		out[k] = v
	}
	for _, o := range objects {
		var m map[string]string
		if err := json.Unmarshal([]byte(o), &m); err != nil {
			return nil, fmt.Errorf("malformed 'tags' parameter, cannot unmarshal JSON: %w", err)
		}
		maps.Copy(out, m)
	}
	return out, nil
}

func paramError(name string, err error) error {
	return fmt.Errorf("unable to parse param '%s': %w", name, err)
}

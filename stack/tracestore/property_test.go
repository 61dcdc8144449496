package tracestore

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/tenhop/tenhop/stack/disk/disktest"
)

// sentTrace is a trace of the model: spans that are sent in one request.
type sentTrace struct {
	id           uint64
	spans        int
	pad          string
	at           time.Time
	acknowledged time.Time // zero if the store answered with an error
	maybe        bool      // a killed process may have stored it
}

func (s *sentTrace) traceID() (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[8:], s.id)
	return id
}

func (s *sentTrace) encode(into ptrace.Traces) {
	rs := into.ResourceSpans().AppendEmpty()
	rs.Resource().Attributes().PutStr("service.name", fmt.Sprint("s", s.id%5))
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range s.spans {
		span := spans.AppendEmpty()
		span.SetTraceID(s.traceID())
		span.SetSpanID(pcommon.SpanID{7: byte(i + 1)})
		span.SetName(fmt.Sprint("n", i))
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(s.at))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(s.at.Add(time.Millisecond)))
		span.Attributes().PutStr("pad", s.pad)
	}
}

// model compares a store with what it acknowledged.
type model struct {
	t      *testing.T
	dir    string
	rng    *rand.Rand
	faults *disktest.Faults
	now    time.Time
	s      *Store
	all    []*sentTrace
	lost   int64 // segments that closed stores dropped
}

const (
	modelDisk      = 256 << 10
	modelRetention = time.Hour
)

func (m *model) open() {
	m.t.Helper()
	if m.s != nil {
		m.lost += m.s.dropped.Load()
		for _, seg := range m.s.segments() { // the files have the times of the model's clock
			at := time.Unix(0, seg.maxWritten)
			_ = os.Chtimes(seg.path, at, at)
		}
	}
	s, err := Open(m.dir, WithRetention(modelRetention), WithClock(func() time.Time { return m.now }),
		WithLogger(slog.New(slog.DiscardHandler)), func(s *Store) { s.diskBytes, s.ops = modelDisk, m.faults.Ops() })
	if err != nil {
		m.t.Fatal(err)
	}
	m.s = s
}

func (m *model) send(request []*sentTrace) {
	td := ptrace.NewTraces()
	for _, s := range request {
		s.encode(td)
	}
	if m.s.Append(td) != nil {
		return
	}
	for _, s := range request {
		if s.acknowledged.IsZero() {
			s.acknowledged = m.now
		}
	}
}

func (m *model) check(step int) {
	m.t.Helper()
	newestLost := time.Time{}
	for _, s := range m.all {
		td, err := m.s.Trace(m.t.Context(), s.traceID())
		n := 0
		if err == nil {
			n = td.SpanCount()
		}
		age := m.now.Sub(s.acknowledged)
		switch {
		case n == 0:
			if !s.acknowledged.IsZero() && age <= modelRetention && s.acknowledged.After(newestLost) {
				newestLost = s.acknowledged
			}
		case s.acknowledged.IsZero() && !s.maybe:
			m.t.Errorf("step %d: trace %d is stored, and was answered with an error", step, s.id)
		case n != s.spans && !s.maybe:
			m.t.Errorf("step %d: trace %d has %d spans, %d were sent", step, s.id, n, s.spans)
		}
	}
	if m.lost+m.s.dropped.Load() == 0 && !newestLost.IsZero() {
		m.t.Errorf("step %d: acknowledged spans are lost", step)
	}
	if !newestLost.IsZero() && newestLost.Equal(m.now) {
		m.t.Errorf("step %d: the newest spans are lost", step)
	}
	onDisk := int64(0)
	files, _ := filepath.Glob(filepath.Join(m.dir, "*"))
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			onDisk += info.Size()
		}
	}
	if onDisk > modelDisk+4096 {
		m.t.Errorf("step %d: %d bytes on disk, %d counted, %d allowed", step, onDisk, m.s.Stats().DiskBytes, modelDisk)
	}
}

// TestStoreUnderWriteErrors holds the store's contract against random sequences of requests,
// retries, restarts, kills and hours, while file operations fail: an error means not stored,
// a retry stores once, size and age are bounded.
func TestStoreUnderWriteErrors(t *testing.T) {
	injected := 0
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 2)), faults: disktest.New(seed), now: epoch}
			m.open()
			var requests [][]*sentTrace
			for step := range 150 {
				m.now = m.now.Add(time.Duration(1+m.rng.IntN(60)) * time.Second)
				m.faults.Rate([]float64{0, 0, 0.05, 0.3, 1}[m.rng.IntN(5)])
				switch p := m.rng.IntN(20); {
				case p < 12 || len(requests) == 0:
					var request []*sentTrace
					for range 1 + m.rng.IntN(4) {
						s := &sentTrace{id: uint64(len(m.all) + 1), spans: 1 + m.rng.IntN(4), at: m.now, pad: strings.Repeat("x", m.rng.IntN(4<<10))}
						m.all, request = append(m.all, s), append(request, s)
					}
					requests = append(requests, request)
					m.send(request)
				case p < 17: // a client sends one of its last requests again
					if r := requests[max(0, len(requests)-1-m.rng.IntN(2))]; m.now.Sub(r[0].at) < modelRetention/agesPerRetention {
						m.send(r)
					}
				case p < 18:
					m.now = m.now.Add(time.Duration(m.rng.IntN(40)) * time.Minute)
					m.s.Expire()
				case p < 19:
					m.faults.Rate(0)
					if err := m.s.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
				default: // killed: its files stay as they are
					m.faults.Rate(0)
					for _, seg := range m.s.segments() {
						_ = seg.release()
					}
					for _, s := range m.all {
						s.maybe = s.maybe || s.acknowledged.IsZero()
					}
					m.open()
				}
				m.faults.Rate(0)
				m.check(step)
				if t.Failed() {
					return
				}
			}
			m.now = m.now.Add(modelRetention * 9 / 8)
			m.s.Expire() // starts a segment
			m.s.Expire()
			if st := m.s.Stats(); st.Spans > 0 {
				t.Errorf("%d spans are older than the retention", st.Spans)
			}
			injected += m.faults.Injected()
			_ = m.s.Close()
		})
	}
	if injected < 300 {
		t.Errorf("%d operations failed: the sequences prove little", injected)
	}
}

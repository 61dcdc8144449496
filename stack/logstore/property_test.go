package logstore

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/tenhop/tenhop/stack/disk/disktest"
)

// sent is a record of the model.
type sent struct {
	service, message string
	at               time.Time
	acknowledged     time.Time // zero if the store answered with an error
	maybe            bool      // a killed process may have stored it
}

// model compares a store with what it acknowledged.
type model struct {
	t      *testing.T
	dir    string
	rng    *rand.Rand
	faults *disktest.Faults
	now    time.Time
	s      *Store
	all    map[string]*sent
	order  []*sent // acknowledged, in this order
	lost   int64   // bytes that closed stores removed
}

const (
	modelDisk      = 256 << 10
	modelRetention = time.Hour
)

func (m *model) open() {
	m.t.Helper()
	if m.s != nil {
		m.lost += m.s.Stats().RemovedBytes
		for _, f := range m.s.sink.services { // the files have the times of the model's clock
			_ = os.Chtimes(m.s.sink.path(f), f.written, f.written)
			for _, r := range f.rotated {
				_ = os.Chtimes(r.path, r.written, r.written)
			}
		}
	}
	s, err := Open(m.dir, WithRetention(modelRetention), WithClock(func() time.Time { return m.now }),
		func(s *Store) { s.diskBytes, s.ops = modelDisk, m.faults.Ops() })
	if err != nil {
		m.t.Fatal(err)
	}
	// The test alone refreshes and expires.
	s.cancel()
	s.done.Wait()
	m.s = s
}

// batch returns records of up to five services.
func (m *model) batch(serial int) []*sent {
	var out []*sent
	for i := range 1 + m.rng.IntN(8) {
		r := &sent{service: fmt.Sprint("s", m.rng.IntN(5)), at: m.now}
		r.message = fmt.Sprintf("%d-%d-%s", serial, i, strings.Repeat("x", m.rng.IntN(4<<10)))
		m.all[r.message] = r
		out = append(out, r)
	}
	return out
}

// send appends a batch, and notes what was acknowledged.
func (m *model) send(batch []*sent) {
	ld := plog.NewLogs()
	for _, r := range batch {
		received(ld, r.service, r.message).SetTimestamp(pcommon.NewTimestampFromTime(r.at))
	}
	if m.s.Append(ld) != nil {
		return
	}
	for _, r := range batch {
		if r.acknowledged.IsZero() {
			r.acknowledged = m.now
			m.order = append(m.order, r)
		}
	}
}

func (m *model) check(step int) {
	m.t.Helper()
	if err := m.s.Refresh(m.t.Context()); err != nil {
		m.t.Fatalf("step %d: %v", step, err)
	}
	found := map[string]int{}
	err := m.s.Each(m.t.Context(), Scan{From: epoch.Add(-time.Hour), To: m.now.Add(time.Hour)}, func(l Line) bool {
		var fields struct{ Message string }
		if err := json.Unmarshal(l.Raw, &fields); err != nil {
			m.t.Fatalf("step %d: %v: %.200q", step, err, l.Raw)
		}
		found[fields.Message]++
		return true
	})
	if err != nil {
		m.t.Fatalf("step %d: %v", step, err)
	}
	for message, n := range found {
		r := m.all[message]
		switch {
		case r == nil:
			m.t.Errorf("step %d: nobody sent %.40q", step, message)
		case n != 1:
			m.t.Errorf("step %d: %.40q is stored %d times", step, message, n)
		case r.acknowledged.IsZero() && !r.maybe:
			m.t.Errorf("step %d: %.40q is stored, and was answered with an error", step, message)
		}
	}
	missing := map[string]string{}
	for _, r := range slices.Backward(m.order) { // what is removed is older than what stays
		switch {
		case found[r.message] == 0 && m.now.Sub(r.at) <= modelRetention:
			missing[r.service] = r.message
		case found[r.message] > 0 && missing[r.service] != "":
			m.t.Errorf("step %d: %.40q is stored, the newer %.40q is lost", step, r.message, missing[r.service])
		}
	}
	onDisk := int64(0)
	files, _ := filepath.Glob(filepath.Join(m.dir, "*"))
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			onDisk += info.Size()
		}
	}
	st := m.s.Stats()
	if onDisk > modelDisk || onDisk > st.DiskBytes {
		m.t.Errorf("step %d: %d bytes on disk, %d counted, %d allowed", step, onDisk, st.DiskBytes, modelDisk)
	}
	if m.lost+st.RemovedBytes == 0 && len(missing) > 0 {
		m.t.Errorf("step %d: acknowledged records are lost: %.80q", step, missing)
	}
}

// TestStoreUnderWriteErrors holds the store's contract against random sequences of requests,
// retries, restarts, kills and hours, while file operations fail: an error means not stored,
// a retry stores once, size and age are bounded.
func TestStoreUnderWriteErrors(t *testing.T) {
	injected := 0
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := &model{t: t, dir: t.TempDir(), rng: rand.New(rand.NewPCG(seed, 2)), faults: disktest.New(seed), now: epoch, all: map[string]*sent{}}
			m.open()
			var batches [][]*sent
			for step := range 120 {
				m.now = m.now.Add(time.Duration(m.rng.IntN(60)) * time.Second)
				m.faults.Rate([]float64{0, 0, 0.05, 0.3, 1}[m.rng.IntN(5)])
				switch p := m.rng.IntN(20); {
				case p < 12 || len(batches) == 0:
					batches = append(batches, m.batch(step))
					m.send(batches[len(batches)-1])
				case p < 17: // a client sends one of its last requests again
					m.send(batches[max(0, len(batches)-1-m.rng.IntN(4))])
				case p < 18:
					m.now = m.now.Add(time.Duration(m.rng.IntN(40)) * time.Minute)
					_ = m.s.Expire()
				case p < 19:
					m.faults.Rate(0)
					if err := m.s.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
				default: // killed: its files stay as they are
					m.faults.Rate(0)
					for m.s.sink.opened.Len() > 0 {
						_ = m.s.sink.close(m.s.sink.opened.Front().Value.(*sinkFile))
					}
					for _, r := range m.all {
						r.maybe = r.maybe || r.acknowledged.IsZero()
					}
					m.open()
				}
				m.faults.Rate(0)
				m.check(step)
				if t.Failed() {
					return
				}
			}
			// What has expired is gone, at the latest a quarter of the retention later.
			m.now = m.now.Add(modelRetention * 5 / 4)
			m.send([]*sent{m.batch(1000)[0]})
			if err := m.s.Expire(); err != nil {
				t.Fatal(err)
			}
			for _, f := range m.s.sink.services {
				if f.name != m.order[len(m.order)-1].service && f.bytes() > 0 {
					t.Errorf("%s has %d bytes, %v old", f.name, f.bytes(), m.now.Sub(f.written))
				}
			}
			injected += m.faults.Injected()
			_ = m.s.sink.closeAll()
		})
	}
	if injected < 500 {
		t.Errorf("%d operations failed: the sequences prove little", injected)
	}
}

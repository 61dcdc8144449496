package broker

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// eachRequest calls f with each request that has a layout, in each version.
func eachRequest(f func(kmsg.Request)) {
	for key := range layouts() {
		for version := range kmsg.RequestForKey(int16(key)).MaxVersion() + 1 {
			r := kmsg.RequestForKey(int16(key))
			r.SetVersion(version)
			f(r)
		}
	}
}

// fill sets what is in v: strings and bytes of different lengths, two elements in each array, and
// tagged fields that nobody knows.
func fill(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		if tags, ok := v.Addr().Interface().(*kmsg.Tags); ok {
			tags.Set(40+random.Uint32N(1000), []byte("unknown"))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "Version" {
				fill(v.Field(i), random)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), random)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), random)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), random)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%0*d", random.IntN(200), 1))
	case reflect.Bool:
		v.SetBool(random.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(random.Float64())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(random.IntN(100)))
	default:
		v.SetInt(int64(random.IntN(100)))
	}
}

// afterVersion returns what follows the version of a request.
func afterVersion(r kmsg.Request) []byte { return encode(r, 0)[headerSize:] }

// The layouts are those of kmsg, which kfake decodes requests with: a complete request is read to
// its end, and the beginning of one is refused, in all versions.
func TestLayouts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	kinds := map[kmsg.Key]bool{}
	eachRequest(func(r kmsg.Request) {
		kind, version := kmsg.Key(r.Key()), r.GetVersion()
		kinds[kind] = true
		for _, filled := range []bool{false, true} {
			if filled {
				fill(reflect.ValueOf(r).Elem(), random)
				r.SetVersion(version)
			}
			b := afterVersion(r)
			var w walker
			if !w.walk(kind, version, b) || len(w.Src) > 0 {
				t.Errorf("%v version %d, filled %v: not read, or %d bytes are left", kind.Name(), version, filled, len(w.Src))
				continue
			}
			again := kmsg.RequestForKey(r.Key())
			again.SetVersion(version)
			if err := again.ReadFrom(w.body); err != nil {
				t.Errorf("%v version %d: the body does not begin after the header: %v", kind.Name(), version, err)
			}
			for n := range len(b) {
				if w := (walker{}); w.walk(kind, version, b[:n:n]) {
					t.Errorf("%v version %d, filled %v: %d of %d bytes were taken for a request", kind.Name(), version, filled, n, len(b))
					break
				}
			}
		}
	})
	if len(kinds) < 60 {
		t.Errorf("%d kinds of requests have a layout", len(kinds))
	}
}

// An element takes no more memory than it counts with.
func TestElementsAreSmall(t *testing.T) {
	var check func(reflect.Type)
	check = func(of reflect.Type) {
		switch of.Kind() {
		case reflect.Struct:
			for i := range of.NumField() {
				check(of.Field(i).Type)
			}
		case reflect.Slice:
			if of.Elem().Size() > elementBytes {
				t.Errorf("%v has %d bytes", of.Elem(), of.Elem().Size())
			}
			check(of.Elem())
		case reflect.Pointer:
			check(of.Elem())
		}
	}
	eachRequest(func(r kmsg.Request) { check(reflect.TypeOf(r).Elem()) })
}

// Numbers of elements and of tagged fields are those that a request has.
func TestNumbersOfElementsAreBounded(t *testing.T) {
	tags := binary.AppendUvarint(nil, 1<<32-1)
	began := time.Now()
	eachRequest(func(r kmsg.Request) {
		kind, version := kmsg.Key(r.Key()), r.GetVersion()
		if !r.IsFlexible() {
			return
		}
		b := afterVersion(r)
		for where, request := range map[string][]byte{
			"header": append([]byte{0, 0, 0, 7, 0xff, 0xff}, tags...),
			"body":   append(b[:len(b)-1:len(b)-1], tags...),
		} {
			if w := (walker{}); w.walk(kind, version, request) {
				t.Errorf("%v version %d: 2^32-1 tagged fields in the %s", kind.Name(), version, where)
			}
		}
	})
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("%v for requests of about 20 bytes", d)
	}
	for n, want := range map[int]bool{maxElements: true, maxElements + 1: false} {
		r := kmsg.NewPtrMetadataRequest()
		r.Version = 12
		r.Topics = make([]kmsg.MetadataRequestTopic, n)
		if w := (walker{}); w.walk(kmsg.Metadata, 12, afterVersion(r)) != want {
			t.Errorf("%d topics: taken %v", n, !want)
		}
	}
	claimed := append([]byte{0, 0, 0, 7, 0xff, 0xff, 0x3f, 0xff, 0xff, 0xff}, make([]byte, 100)...)
	if w := (walker{}); w.walk(kmsg.Metadata, 4, claimed) {
		t.Error("2^30 topics in 100 bytes")
	}
}

// What kfake would wait for, or send at once, has a maximum. Other numbers stay as they are.
func TestWaitsAreLowered(t *testing.T) {
	const long = 1<<31 - 1
	fetch := kmsg.NewPtrFetchRequest()
	fetch.MaxWaitMillis, fetch.MinBytes, fetch.MaxBytes = long, long, long
	share := kmsg.NewPtrShareFetchRequest()
	share.MaxWaitMillis, share.MinBytes, share.MaxBytes = long, long, long
	join := kmsg.NewPtrJoinGroupRequest()
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = long, long
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	beat := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	beat.RebalanceTimeoutMillis = long
	fetched, shared, joined := *fetch, *share, *join
	fetched.MaxWaitMillis, fetched.MaxBytes = 60_000, 16<<20
	shared.MaxWaitMillis, shared.MaxBytes = 60_000, 16<<20
	joined.RebalanceTimeoutMillis = 300_000
	beaten := *beat
	beaten.RebalanceTimeoutMillis = 300_000
	for _, c := range []struct {
		from         int16 // version
		asked, taken kmsg.Request
		kept         time.Duration
	}{
		{4, fetch, &fetched, time.Minute},
		{0, share, &shared, time.Minute},
		{1, join, &joined, 5 * time.Minute},
		{0, beat, &beaten, 0},
		{0, kmsg.NewPtrSyncGroupRequest(), kmsg.NewPtrSyncGroupRequest(), 5 * time.Minute},
	} {
		for version := c.from; version <= c.asked.MaxVersion(); version++ {
			c.asked.SetVersion(version)
			c.taken.SetVersion(version)
			_, server := pipe(newLimits(1, nil))
			taken, ok := server.check(c.asked, encode(c.asked, 0))
			if !ok || string(taken) != string(encode(c.taken, 0)) || server.kept != c.kept {
				t.Errorf("%T version %d: refused, or not lowered, or kept for %v", c.asked, version, server.kept)
			}
		}
	}
}

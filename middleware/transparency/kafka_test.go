package transparency

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tenhop/tenhop/middleware/kafkamw"
)

const onKafka = "kafkamw (franz-go)"

func kafkaFamily() family {
	return family{title: "Kafka", about: "Producers and consumers of franz-go against kfake. A consumer without middleware reads what the broker has. The record\n" +
		"that the caller produced has the headers that were sent, also after it was acknowledged.",
		columns: []string{onKafka}, rows: kafkaRows()}
}

// kafka is a broker with the topic things, which has two partitions.
type kafka struct {
	*exchange
	addrs []string
}

// onBroker is a script with a broker of its own.
func onBroker(script func(*kafka)) map[string]func(*exchange) {
	return on(func(x *exchange, _ string) {
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "things"))
		x.must(err)
		x.Cleanup(c.Close)
		script(&kafka{x, c.ListenAddrs()})
	}, onKafka)
}

// producer returns a client, measured when the exchange is.
func (k *kafka) producer(opts ...kgo.Opt) *kgo.Client {
	opts = append(opts, kgo.SeedBrokers(k.addrs...), kgo.DefaultProduceTopic("things"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if k.measured {
		opts = append(opts, kafkamw.ClientOptions(kafkamw.WithTelemetry(k.tel))...)
	}
	cl, err := kgo.NewClient(opts...)
	k.must(err)
	k.Cleanup(cl.Close)
	return cl
}

// stored records n records as the broker has them.
func (k *kafka) stored(n int, opts ...kgo.Opt) {
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.addrs...), kgo.ConsumeTopics("things"))...)
	k.must(err)
	defer cl.Close()
	for n > 0 {
		fetches := cl.PollFetches(k.Context())
		k.must(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			k.note(fmt.Sprintf("request, partition %d", r.Partition), "%s\n", show(r))
			n--
		})
	}
}

// show returns a record, a header per line.
func show(r *kgo.Record) string {
	s := []string{fmt.Sprintf("record %d, key %q, nil %v, value %q, nil %v", r.Offset, r.Key, r.Key == nil, r.Value, r.Value == nil)}
	for _, h := range r.Headers {
		s = append(s, fmt.Sprintf("%s: %s, nil %v", h.Key, h.Value, h.Value == nil))
	}
	return strings.Join(s, "\n")
}

// thing returns a record with headers.
func thing(value string) *kgo.Record {
	return &kgo.Record{Key: []byte("k"), Value: []byte(value), Partition: 1,
		Headers: []kgo.RecordHeader{{Key: "b", Value: []byte("2")}, {Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("3")}}}
}

type ownKey struct{}

func kafkaRows() []row {
	return []row{
		{feature: "produce and wait, order of headers", cells: onBroker(func(k *kafka) {
			cl, r := k.producer(), thing("one")
			ctx := context.WithValue(k.hop(), ownKey{}, "mine")
			k.call("producer", "ProduceSync", cl.ProduceSync(ctx, r).FirstErr())
			k.note("request, as the caller has it", "%s\ncontext %v", show(r), r.Context.Value(ownKey{}))
			k.stored(1)
		})},
		{feature: "the same record again", cells: onBroker(func(k *kafka) {
			cl, r := k.producer(), thing("one")
			for range 2 {
				k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), r).FirstErr())
			}
			k.stored(2)
		})},
		{feature: "produce with a promise, Flush", cells: onBroker(func(k *kafka) {
			cl := k.producer()
			for i := range 3 {
				r := thing(fmt.Sprint(i))
				r.Partition = int32(i % 2)
				cl.Produce(k.hop(), r, func(r *kgo.Record, err error) {
					k.note(fmt.Sprintf("request, promise of partition %d", r.Partition), "%s\n%s\n", show(r), describe(err))
				})
			}
			k.call("producer", "Flush", cl.Flush(k.Context()))
			k.stored(3)
		})},
		{feature: "nil and empty keys, values and headers", cells: onBroker(func(k *kafka) {
			cl := k.producer()
			for _, r := range []*kgo.Record{{}, {Key: []byte{}, Value: []byte{}}, {Headers: []kgo.RecordHeader{}}, {Headers: []kgo.RecordHeader{{Key: ""}, {Key: "x"}}}} {
				k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), r).FirstErr())
				k.note("request, as the caller has it", "%s\n", show(r))
			}
			k.stored(4)
		})},
		{feature: "own traceparent and x-correlation-id", intended: "replaced by the hop's", cells: onBroker(ownHeaders)},
		{feature: "errors: partition, size, ended context", cells: onBroker(func(k *kafka) {
			cl := k.producer(kgo.ProducerBatchMaxBytes(512))
			k.must(cl.ProduceSync(k.Context(), &kgo.Record{}).FirstErr()) // has a producer ID then
			wrong, large := thing("wrong"), thing(strings.Repeat("x", 2000))
			wrong.Partition = 9
			for _, r := range []*kgo.Record{wrong, large} {
				k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), r).FirstErr())
				k.note("producer", "%s", show(r))
			}
			ctx, cancel := context.WithCancel(k.hop())
			cancel()
			k.call("producer", "ProduceSync", cl.ProduceSync(ctx, thing("late")).FirstErr())
		})},
		{feature: "hooks already present", cells: onBroker(func(k *kafka) {
			cl := k.producer(kgo.WithHooks(&hooks{k: k}))
			k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), thing("one")).FirstErr())
			cl.Close()
		})},
		{feature: "transaction: commit, abort", cells: onBroker(func(k *kafka) {
			cl := k.producer(kgo.TransactionalID("t"))
			for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
				k.call("producer", "BeginTransaction", cl.BeginTransaction())
				k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), thing(fmt.Sprint("commit ", end))).FirstErr())
				k.call("producer", "EndTransaction", cl.EndTransaction(k.Context(), end))
			}
			k.stored(1, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		})},
		{feature: "transaction: aborted with buffered records", cells: onBroker(func(k *kafka) {
			cl := k.producer(kgo.TransactionalID("t"), kgo.ManualFlushing())
			k.must(cl.BeginTransaction())
			for i := range 2 {
				cl.Produce(k.hop(), thing(fmt.Sprint(i)), func(r *kgo.Record, err error) { k.note("promises", "%s, %s", show(r), describe(err)) })
			}
			k.call("producer", "AbortBufferedRecords", cl.AbortBufferedRecords(k.Context()))
			k.call("producer", "EndTransaction", cl.EndTransaction(k.Context(), kgo.TryAbort))
		})},
		{feature: "transaction: fenced by another producer", cells: onBroker(func(k *kafka) {
			first, second := k.producer(kgo.TransactionalID("t")), k.producer(kgo.TransactionalID("t"))
			k.must(first.BeginTransaction())
			k.call("first", "ProduceSync", first.ProduceSync(k.hop(), thing("one")).FirstErr())
			k.must(second.BeginTransaction())
			k.call("second", "ProduceSync", second.ProduceSync(k.hop(), thing("two")).FirstErr())
			k.call("first", "ProduceSync", first.ProduceSync(k.hop(), thing("three")).FirstErr())
			k.call("first", "EndTransaction", first.EndTransaction(k.Context(), kgo.TryCommit))
			k.call("second", "EndTransaction", second.EndTransaction(k.Context(), kgo.TryCommit))
		})},
		{feature: "transaction without BeginTransaction", cells: onBroker(func(k *kafka) {
			cl := k.producer(kgo.TransactionalID("t"))
			k.call("producer", "ProduceSync", cl.ProduceSync(k.hop(), thing("one")).FirstErr())
		})},
		{feature: "handler: record, context, error, panic", cells: onBroker(consume)},
		{feature: "batch handler, manual commits", cells: onBroker(commits)},
	}
}

// hooks records the hooks that concern records.
type hooks struct{ k *kafka }

func (h *hooks) OnProduceRecordBuffered(r *kgo.Record) { h.k.note("hooks", "buffered %q", r.Value) }
func (h *hooks) OnProduceRecordPartitioned(r *kgo.Record, leader int32) {
	h.k.note("hooks", "partitioned %q %d", r.Value, leader)
}
func (h *hooks) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	h.k.note("hooks", "unbuffered %q, %s", r.Value, describe(err))
}
func (h *hooks) OnClientClosed(*kgo.Client) { h.k.note("hooks", "closed") }

// ownHeaders asserts that a republished record has one of each header.
func ownHeaders(k *kafka) {
	inner := newExchange(k.T, k.measured)
	in := &kafka{inner, k.addrs}
	r := thing("one")
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: "traceparent", Value: []byte("old")}, kgo.RecordHeader{Key: "x-correlation-id", Value: []byte("old")})
	k.call("producer", "ProduceSync", in.producer().ProduceSync(k.hop(), r).FirstErr())
	in.stored(1)
	for _, h := range []string{"traceparent: ", "x-correlation-id: "} {
		s := inner.transcript()
		if strings.Count(s, h) != 1 || strings.Contains(s, h+"old") == k.measured {
			k.Errorf("%s in %s", h, s)
		}
	}
}

// consume runs a handler on three records: it succeeds, fails and panics.
func consume(k *kafka) {
	bare, err := kgo.NewClient(kgo.SeedBrokers(k.addrs...), kgo.ConsumeTopics("things"), kgo.DefaultProduceTopic("things"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	k.must(err)
	defer bare.Close()
	fail := errors.New("no")
	handle := func(ctx context.Context, r *kgo.Record) error {
		k.note("handler", "%s, context %v, record's %v", show(r), ctx.Value(ownKey{}), r.Context == nil)
		switch string(r.Value) {
		case "fail":
			return fail
		case "panic":
			panic(fail)
		}
		return nil
	}
	if k.measured {
		handle = kafkamw.Handler(handle, kafkamw.WithTelemetry(k.tel), kafkamw.WithConsumerGroup("g"))
	}
	for _, v := range []string{"ok", "fail", "panic"} {
		k.must(bare.ProduceSync(k.Context(), thing(v)).FirstErr())
	}
	ctx := context.WithValue(k.Context(), ownKey{}, "mine")
	for n := 0; n < 3; {
		bare.PollFetches(k.Context()).EachRecord(func(r *kgo.Record) {
			n++
			defer func() {
				p := recover()
				k.note("caller", "recovered %v, the same: %v", p, p == nil || p == fail)
			}()
			err := handle(ctx, r)
			k.note("caller", "%v, the same: %v, record %s", err, err == nil || err == fail, show(r))
		})
	}
}

// commits handles records in a group and commits them.
func commits(k *kafka) {
	bare := func() *kgo.Client {
		cl, err := kgo.NewClient(kgo.SeedBrokers(k.addrs...), kgo.ConsumerGroup("g"), kgo.ConsumeTopics("things"), kgo.DisableAutoCommit(),
			kgo.DefaultProduceTopic("things"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		k.must(err)
		return cl
	}
	handle := func(_ context.Context, records []*kgo.Record) error {
		for _, r := range records {
			k.note("handler", "%s", show(r))
		}
		return nil
	}
	if k.measured {
		handle = kafkamw.BatchHandler(handle, kafkamw.WithTelemetry(k.tel))
	}
	cl := bare()
	defer cl.Close()
	for _, v := range []string{"one", "two"} {
		k.must(cl.ProduceSync(k.Context(), thing(v)).FirstErr())
	}
	for n := 0; n < 2; {
		records := cl.PollFetches(k.Context()).Records()
		for _, r := range records { // one by one: how they are fetched depends on timing
			k.call("caller", "handle", handle(k.Context(), []*kgo.Record{r}))
		}
		k.must(cl.CommitRecords(k.Context(), records...))
		n += len(records)
	}
	k.note("caller", "%v", cl.CommittedOffsets()["things"][1].Offset)
}

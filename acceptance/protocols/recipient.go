package protocols

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tenhop/tenhop/middleware/amqpmw"
	"github.com/tenhop/tenhop/middleware/grpcmw"
	"github.com/tenhop/tenhop/middleware/hop"
	"github.com/tenhop/tenhop/middleware/httpmw"
	"github.com/tenhop/tenhop/middleware/kafkamw"
	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// bytesPath answers with the bytes that the recipient has exchanged with each broker.
const bytesPath = "/bytes"

// maxConcurrent is the number of messages that the recipient handles at the same time.
const maxConcurrent = 32

// recipient answers calls.
type recipient struct {
	pb.UnimplementedPaymentServer
	s         Setting
	telemetry *hop.Telemetry
	wires     map[string]*wire // by broker
}

// Receive answers the calls of a setting until ctx ends.
func Receive(ctx context.Context, s Setting, t *hop.Telemetry) error {
	r := &recipient{s: s, telemetry: t, wires: map[string]*wire{}}
	for _, b := range s.Brokers {
		r.wires[b.Name] = &wire{}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range s.Brokers {
		if b.AMQP != "" {
			g.Go(func() error { return r.rabbitMQ(ctx, b) })
		} else {
			g.Go(func() error { return r.kafka(ctx, b) })
		}
	}
	g.Go(func() error { return r.http(ctx) })
	g.Go(func() error { return r.grpc(ctx) })
	return g.Wait()
}

// Charge implements pb.PaymentServer.
func (r *recipient) Charge(_ context.Context, req *pb.ChargeRequest) (*pb.ChargeResponse, error) {
	return charge(req), nil
}

func (r *recipient) grpc(ctx context.Context) error {
	l, err := net.Listen("tcp", r.s.GRPC)
	if err != nil {
		return err
	}
	srv := grpc.NewServer(grpcmw.ServerOptions(grpcmw.WithTelemetry(r.telemetry))...)
	pb.RegisterPaymentServer(srv, r)
	defer context.AfterFunc(ctx, srv.Stop)()
	return srv.Serve(l)
}

// http serves HTTP/1.1 and HTTP/2 without TLS on one port.
func (r *recipient) http(ctx context.Context) error {
	l, err := net.Listen("tcp", r.s.HTTP)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := answerJSON(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	outer := http.NewServeMux()
	outer.Handle("/", httpmw.Handler(mux, httpmw.WithTelemetry(r.telemetry), httpmw.WithMux(mux)))
	outer.HandleFunc("GET "+bytesPath, func(w http.ResponseWriter, _ *http.Request) {
		all := map[string]int64{}
		for name, wire := range r.wires {
			all[name] = wire.bytes.Load()
		}
		_ = json.NewEncoder(w).Encode(all)
	})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Handler: outer, Protocols: &protocols, ReadHeaderTimeout: 5 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	return srv.Serve(l)
}

// answerJSON answers a request in protobuf's JSON.
func answerJSON(body []byte) ([]byte, error) {
	var req pb.ChargeRequest
	if err := protojson.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	return protojson.Marshal(charge(&req))
}

func (r *recipient) kafka(ctx context.Context, b Broker) error {
	cl, err := kgo.NewClient(append(kafkamw.ClientOptions(kafkamw.WithTelemetry(r.telemetry)),
		kgo.SeedBrokers(b.Kafka), kgo.Dialer(r.wires[b.Name].dial), kgo.AllowAutoTopicCreation(), kgo.ProducerLinger(0),
		kgo.ConsumerGroup("protocols."+r.s.Run), kgo.ConsumeTopics(r.s.requests()), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(250*time.Millisecond), kgo.FetchMaxWait(time.Second),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(2*time.Second))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	handle := kafkamw.Handler(func(ctx context.Context, rec *kgo.Record) error {
		answer, err := answerJSON(rec.Value)
		if err != nil {
			return err
		}
		return kafkamw.Produce(ctx, cl, &kgo.Record{Topic: r.s.replies(), Key: rec.Key, Value: answer})
	}, kafkamw.WithTelemetry(r.telemetry))
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var g errgroup.Group
		g.SetLimit(maxConcurrent)
		fetches.EachRecord(func(rec *kgo.Record) { g.Go(func() error { return handle(ctx, rec) }) })
		if err := g.Wait(); err != nil {
			return err
		}
		if err := cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// amqpChannel opens a counted connection, with a channel in confirm mode.
func amqpChannel(ctx context.Context, url string, w *wire) (*amqp.Channel, func(), error) {
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, address string) (net.Conn, error) { return w.dial(ctx, network, address) }})
	if err != nil {
		return nil, nil, fmt.Errorf("connect to RabbitMQ: %w", err)
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return ch, func() { _ = conn.Close() }, nil
}

func (r *recipient) rabbitMQ(ctx context.Context, b Broker) error {
	ch, stop, err := amqpChannel(ctx, b.AMQP, r.wires[b.Name])
	if err != nil {
		return err
	}
	defer stop()
	if err := errors.Join(ch.Qos(maxConcurrent, 0, false), declareRequests(ch, r.s)); err != nil {
		return err
	}
	deliveries, err := ch.Consume(r.s.requests(), "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	publisher := amqpmw.NewPublisher(ch, amqpmw.WithTelemetry(r.telemetry))
	handle := amqpmw.Handler(func(ctx context.Context, d amqp.Delivery) error {
		answer, err := answerJSON(d.Body)
		if err != nil {
			return err
		}
		err = publisher.Publish(ctx, "", d.ReplyTo, false, false,
			amqp.Publishing{CorrelationId: d.CorrelationId, DeliveryMode: amqp.Persistent, Body: answer})
		return errors.Join(err, d.Ack(false))
	}, amqpmw.WithTelemetry(r.telemetry))
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case d, ok := <-deliveries:
			if !ok {
				return amqp.ErrClosed
			}
			running.Go(func() { _ = handle(ctx, d) })
		}
	}
}

// declareRequests declares the durable queue of requests.
func declareRequests(ch *amqp.Channel, s Setting) error {
	_, err := ch.QueueDeclare(s.requests(), true, false, false, false, nil)
	return err
}

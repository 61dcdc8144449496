package main

// notes explain the table.
const notes = `
Allocations are exact. Times depend on the machine and what else it does; the variants of a row take turns of a
fraction of a second, so that their ratios hold. "Composed" is what a team wires today for the same signals with the
same content: otelhttp, promhttp with exemplars and the route, hlog's access log with a logger in the context, a
correlation-ID middleware; for gRPC otelgrpc, grpcprom with exemplars, logging, recovery, correlation; for Kafka kotel
with a process span, kprom, duration and count per record with exemplars, a zerolog line, correlation. gRPC's
interceptors and Kafka's hooks are called directly, without a network. Ours reports self time as well, which the
composed variants do not.

Spans are thrown away at the exporter. Those of ours are encoded as OTLP by then, as setup has them; those of the SDK,
which all others have, are not yet. What a service pays with its exporter is in [cost.md](cost.md).

## Tried and kept

| change | row | before | after |
|---|---|--:|--:|
| the caller's span context within the hop | HTTP server, sampled | 14 allocations | 12 |
| metadata of a call without copies | gRPC server, unsampled | 7 allocations | 5 |
| spans that are OTLP from the start | HTTP server, sampled | 12 allocations, 4,440 bytes | 3, 1,540 |
| the same | gRPC server, sampled | 9 allocations, 2,820 bytes | 4, 1,530 |
| the span's times are the hop's | HTTP server, sampled | 7 readings of the clock | 5 |
| a smaller record of a message | gRPC server, unsampled | 1,440 bytes | 1,300 |

## Tried and dropped

- A profile for ` + "`go build -pgo`" + `, made of our variants of all rows. Best of 9 interleaved rounds without and with it:
  gRPC server, unsampled, 2.7 and 2.7 µs, sampled 4.6 and 5.0 µs, Kafka consume 5.7 and 6.0 µs; best of 14, HTTP server
  6.2 and 7.5 µs. The composed HTTP server gained 12 %, from 32.0 to 28.2 µs. Go's advice is
  a profile of the program itself.
- Reuse of the map with the correlation ID that a gRPC response has as its header: 400 of the 1,300 bytes of an
  unsampled call. A ` + "`grpc.ServerTransportStream`" + ` other than grpc-go's own may keep the map.
- A struct of the used labels instead of eight strings as the key of ` + "`adapter.Histogram`" + `: 12 % of a look-up. The
  adapters keep their series and look them up by less.
- Fewer exemplars. An observation with one costs 15 plain ones, but is made at most once per second and bucket. A
  sampled observation without one costs 2.4 plain ones.
`

// Package messaging is what the adapters of message brokers share (kafkamw,
// saramamw, kafkagomw, amqpmw): the spans, families and log line of a message
// sent and of one processed, under a bound of destination names. It knows no
// broker. Import an adapter; this package is for writing another one.
//
// An adapter resolves a Producer or a Consumer once and keeps a Sending or a
// Processing in its own record of each message.
package messaging

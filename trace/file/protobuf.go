package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tenhop/tenhop/trace/otlp"
)

// message reads one OTLP message in protobuf, one ResourceSpans (field 1) at a time.
func (d *decoder) message(in *bufio.Reader) error {
	for at := int64(0); ; {
		tag, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &Error{Offset: at, Err: err}
		}
		if tag != 0x0a {
			return d.fail(0, at, fmt.Errorf("not OTLP: field %d in place of ResourceSpans", tag>>3))
		}
		size, n, err := uvarint(in)
		if err != nil || size > uint64(d.limit) {
			return d.tooLong(at, size, err)
		}
		// With its tag, the field is a valid message.
		d.body = binary.AppendUvarint(append(d.body[:0], tag), size)
		if d.body, err = take(in, d.body, int(size)); err != nil {
			return d.fail(0, at, d.cutOr(err))
		}
		if err := otlp.Unmarshal(d.body, d.add); err != nil {
			if err := d.fail(0, at, err); err != nil {
				return err
			}
		}
		at += 1 + int64(n) + int64(size)
	}
}

// framed reads messages, each preceded by its length in four bytes. A message is OTLP in
// protobuf or JSON, and may be compressed on its own.
func (d *decoder) framed(in *bufio.Reader) error {
	for at := int64(0); ; {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return d.fail(0, at, fmt.Errorf("a length is cut short: %w", d.cutOr(err)))
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 || int64(n) > int64(d.limit) {
			return &Error{Offset: at, Err: errors.New("neither JSON nor OTLP in protobuf, with or without lengths")}
		}
		body, err := take(in, d.body[:0], int(n))
		d.body = body
		if err != nil {
			return d.fail(0, at, fmt.Errorf("a message of %d bytes: %w", n, d.cutOr(err)))
		}
		if err := d.frame(body); err != nil {
			if err := d.fail(0, at, err); err != nil {
				return err
			}
		}
		at += 4 + int64(n)
	}
}

// frame reads one message of a framed file.
func (d *decoder) frame(body []byte) error {
	if open := openerOf(body); open != nil {
		in, err := open(bytes.NewReader(body))
		if err != nil {
			return err
		}
		if body, err = io.ReadAll(io.LimitReader(in, int64(d.limit)+1)); err != nil {
			return err
		}
		if len(body) > d.limit {
			return fmt.Errorf("a message of more than %d MiB", d.limit>>20)
		}
	}
	if len(body) > 0 && body[0] == '{' {
		return d.record(body)
	}
	return otlp.Unmarshal(body, d.add)
}

// cutOr returns the error for a truncated record if err is an unexpected end, else err.
func (d *decoder) cutOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return d.short(0)
	}
	return err
}

func (d *decoder) tooLong(at int64, size uint64, err error) error {
	switch {
	case err == nil:
		return &Error{Offset: at, Err: fmt.Errorf("not OTLP: a message of %d bytes", size)}
	case errors.Is(err, errVarint):
		return &Error{Offset: at, Err: fmt.Errorf("not OTLP: %w", err)}
	}
	return d.fail(0, at, d.cutOr(err))
}

var errVarint = errors.New("a length of more than ten bytes")

// uvarint reads a length and returns it with its encoded size.
func uvarint(in *bufio.Reader) (v uint64, n int, err error) {
	for shift := 0; shift < 64; shift += 7 {
		b, err := in.ReadByte()
		if err != nil {
			return 0, n, err
		}
		n++
		if v |= uint64(b&0x7f) << shift; b < 0x80 {
			return v, n, nil
		}
	}
	return 0, n, errVarint
}

// take reads n bytes and appends them to head. It does not allocate n bytes in advance,
// since n comes from the file.
func take(in io.Reader, head []byte, n int) ([]byte, error) {
	if n <= cap(head)-len(head) || n <= bufferSize {
		b := slices.Grow(head, n)[:len(head)+n]
		_, err := io.ReadFull(in, b[len(head):])
		return b, err
	}
	b := bytes.NewBuffer(head)
	b.Grow(bufferSize + bytes.MinRead)
	_, err := io.CopyN(b, in, int64(n))
	return b.Bytes(), err
}

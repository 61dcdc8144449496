package file

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const (
	bufferSize  = 1 << 16
	maxWindow   = 128 << 20 // maximum window of a zstd frame, in bytes
	maxLayers   = 2         // of compression
	magicLength = 512       // bytes that identify a format
)

// compressions lists the supported compression formats by their magic numbers.
var compressions = []struct {
	magic string
	open  func(io.Reader) (io.Reader, error)
}{
	{"\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	}},
	{"BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) }},
}

// foreign lists unsupported formats by their magic numbers.
var foreign = []struct {
	at            int
	magic, remedy string
}{
	{0, "PK\x03\x04", "this is a ZIP archive: unpack it, and give the files in it"},
	{0, "7z\xbc\xaf\x27\x1c", "this is a 7-Zip archive: unpack it, and give the files in it"},
	{257, "ustar", "this is a tar archive: unpack it, and give the directory"},
	{0, "PAR1", "this is a Parquet file, such as a block of Tempo's store: ask Tempo for the traces instead"},
	{0, "\x04\x22\x4d\x18", "this is compressed with LZ4: decompress it with lz4 -d first"},
	{0, "\xff\x06\x00\x00sNaPpY", "this is compressed with Snappy: decompress it first"},
	{0, "SQLite format 3\x00", "this is an SQLite database, not a file of traces"},
	{0, "\x7fELF", "this is a program, not a file of traces"},
	{0, "go 1.", "this is a recording of Go's execution tracer, not traces of requests"},
	{0, "FLR\x00", "this is a recording of Java's Flight Recorder, not traces of requests"},
	{0, "\xd4\xc3\xb2\xa1", "this is a capture of a network, not traces of requests"},
	{0, "\x0a\x0d\x0d\x0a", "this is a capture of a network, not traces of requests"},
	{0, "%PDF", "this is a PDF document, not a file of traces"},
}

// unpack returns the contents of r decompressed, and text in UTF-8.
func unpack(ctx context.Context, r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(until{ctx, r}, bufferSize)
	for range maxLayers {
		open := compression(in)
		if open == nil {
			break
		}
		z, err := open(in)
		if err != nil {
			return nil, err
		}
		in = bufio.NewReaderSize(until{ctx, z}, bufferSize)
	}
	head, err := in.Peek(magicLength)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return nil, errEmpty
	case err != nil && !errors.Is(err, io.EOF) && len(head) == 0:
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = in.Discard(3) // already buffered
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return utf16(in, unicode.BigEndian), nil
	case bytes.HasPrefix(head, []byte("{\x00")), bytes.HasPrefix(head, []byte("[\x00")):
		return utf16(in, unicode.LittleEndian), nil
	case bytes.HasPrefix(head, []byte("\x00{\x00")), bytes.HasPrefix(head, []byte("\x00[\x00")):
		return utf16(in, unicode.BigEndian), nil
	}
	for _, f := range foreign {
		if len(head) > f.at && bytes.HasPrefix(head[f.at:], []byte(f.magic)) {
			return nil, errors.New(f.remedy)
		}
	}
	return in, nil
}

var errEmpty = errors.New("it is empty")

func compression(in *bufio.Reader) func(io.Reader) (io.Reader, error) {
	head, _ := in.Peek(maxMagic)
	return openerOf(head)
}

// maxMagic is the length of the longest magic number in compressions.
const maxMagic = 6

// openerOf returns the decompressor of data that begins with head, or nil.
func openerOf(head []byte) func(io.Reader) (io.Reader, error) {
	for _, c := range compressions {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.open
		}
	}
	return nil
}

// utf16 decodes UTF-16 to UTF-8. A byte order mark takes precedence over order.
func utf16(in io.Reader, order unicode.Endianness) *bufio.Reader {
	return bufio.NewReaderSize(transform.NewReader(in, unicode.UTF16(order, unicode.UseBOM).NewDecoder()), bufferSize)
}

// form is the framing of the records in a file.
type form int

const (
	jsonForm form = iota
	messageForm
	framedForm
)

// formOf detects the form from the first bytes. Its error names an unsupported format.
func formOf(in *bufio.Reader) (form, error) {
	head, err := in.Peek(magicLength)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return 0, err
	}
	text := bytes.TrimLeft(head, " \t\r\n\x1e") // RFC 7464 starts each text with RS
	switch {
	case len(text) == 0:
		return 0, errors.New("it holds nothing but white space")
	case text[0] == '{', text[0] == '[' && !bracketed(text):
		return jsonForm, nil
	case head[0] == 0x0a && len(text) < len(head) && printable(text) && !protobuf(head):
		return 0, describe(text)
	case protobuf(head):
		return messageForm, nil
	case printable(text):
		return 0, describe(text)
	case head[0] < maxRecord>>24 && begins(head[min(4, len(head)):]): // a length prefix
		return framedForm, nil
	}
	return 0, errors.New("neither JSON nor OTLP in protobuf: export the traces as OTLP, or save them from Jaeger, Tempo or Zipkin as JSON")
}

// protobuf reports whether head may be the start of an OTLP message: a first field that
// is itself a message.
func protobuf(head []byte) bool {
	if head[0] != 0x0a {
		return false
	}
	for i := 1; i < len(head) && i <= 10; i++ {
		if head[i] < 0x80 {
			return i+1 == len(head) || head[i+1] == 0x0a || head[i+1] == 0x12 || head[i+1] == 0x1a
		}
	}
	return false
}

// begins reports whether the first message after a length prefix may be of OTLP: in
// protobuf, in JSON or compressed, as the collector's file exporter writes it.
func begins(message []byte) bool {
	return len(message) == 0 || message[0] == 0x0a || message[0] == '{' || openerOf(message) != nil
}

// bracketed reports whether text begins with a bracket that is not that of a JSON
// array, as lines of logs do.
func bracketed(text []byte) bool {
	inner := bytes.TrimLeft(text[1:], " \t\r\n")
	return len(inner) > 0 && !bytes.ContainsRune([]byte(`{["]`), rune(inner[0]))
}

func printable(text []byte) bool {
	if len(text) > 16 && !utf8.Valid(text[:len(text)-utf8.UTFMax]) {
		return false
	}
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\x1b' {
			return false
		}
	}
	return true
}

// describe returns the error for text that is not JSON.
func describe(text []byte) error {
	head := strings.ToLower(string(text[:min(len(text), 100)]))
	switch {
	case strings.HasPrefix(head, "<!doctype html"), strings.HasPrefix(head, "<html"):
		return errors.New("this is an HTML page: save the answer of the API, such as /api/traces of Jaeger, not its page")
	case strings.HasPrefix(head, "<"):
		return errors.New("this is XML: save the traces as JSON")
	case strings.HasPrefix(head, "# help"), strings.HasPrefix(head, "# type"):
		return errors.New("these are metrics in Prometheus's text format, not traces")
	case strings.HasPrefix(head, "version https://git-lfs"):
		return errors.New("this is a pointer of Git LFS: fetch the file with git lfs pull")
	}
	if err := describeForeign(text); err != nil {
		return err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return fmt.Errorf("this is text, neither JSON nor OTLP in protobuf; it begins with %q: export the traces as OTLP, or save them from Jaeger, Tempo or Zipkin as JSON", strings.ToValidUTF8(line[:min(len(line), 40)], ""))
}

package logstore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// firstReadBytes is the size of the end of a file that is indexed when the
	// file is first seen.
	firstReadBytes = 256 << 20
	// readChunk is the maximum number of bytes indexed at a time. Longer lines
	// are skipped.
	readChunk = 256 << 10
	// maxSeekBytes is the maximum distance to the first line after a seek.
	maxSeekBytes = 1 << 20
)

// file is a followed file. All fields but path are guarded by Store.mu.
type file struct {
	path    string
	service string // from the newest line with a service, else from the name
	info    os.FileInfo
	next    int64 // offset of the first byte not yet indexed
	last    int64 // time of the newest line
	blocks  []block
	// limit returns the number of bytes of a path that may be read, if it is bounded.
	limit func(path string) (int64, bool)
}

// size returns the number of bytes that may be read.
func (f *file) size(info os.FileInfo) int64 {
	if f.limit != nil {
		if n, ok := f.limit(f.path); ok {
			return min(info.Size(), n)
		}
	}
	return info.Size()
}

func newFile(path string) *file {
	name := strings.TrimSuffix(filepath.Base(path), ".jsonl")
	name, _, _ = strings.Cut(name, ".") // payment.otlp.jsonl, payment.1.jsonl
	return &file{path: path, service: name}
}

// chunk holds the lines that follow has read and apply adds to the index.
type chunk struct {
	reset   bool
	info    os.FileInfo
	next    int64
	last    int64
	service string
	blocks  []block // the first continues the file's last one if they touch
	more    bool
}

// unchanged reports whether the file has no new bytes, without opening it.
func (f *file) unchanged() (bool, error) {
	if f.info == nil {
		return false, nil
	}
	info, err := os.Stat(f.path)
	return err == nil && os.SameFile(f.info, info) && f.size(info) == f.next, err
}

// follow reads the complete lines that were appended to the file, at most readChunk
// bytes.
func (f *file) follow() (chunk, error) {
	fd, err := os.Open(f.path)
	if err != nil {
		return chunk{}, err
	}
	defer fd.Close()
	info, err := fd.Stat()
	if err != nil {
		return chunk{}, err
	}
	size := f.size(info)
	c := chunk{info: info, next: f.next, last: f.last}
	if f.info == nil || !os.SameFile(f.info, info) || size < f.next {
		c.reset, c.last = true, info.ModTime().UnixNano()
		c.next = max(0, size-firstReadBytes)
		if c.next > 0 {
			if c.next, err = nextLine(fd, c.next); err != nil {
				return chunk{}, err
			}
		}
	}
	if size <= c.next {
		return c, nil
	}
	buf := make([]byte, min(size-c.next, readChunk))
	n, err := fd.ReadAt(buf, c.next)
	if err != nil && !errors.Is(err, io.EOF) {
		return chunk{}, err
	}
	buf = buf[:n]
	end := bytes.LastIndexByte(buf, '\n')
	switch {
	case end >= 0:
		buf = buf[:end+1]
	case len(buf) < readChunk:
		return c, nil // the line is still being written
	default: // the line is too long
		c.next += int64(len(buf))
		c.more = true
		return c, nil
	}
	c.index(buf)
	c.more = size > c.next
	return c, nil
}

func (c *chunk) index(buf []byte) {
	b := newBlock(c.next)
	for len(buf) > 0 {
		line, rest, _ := bytes.Cut(buf, []byte{'\n'})
		h, at := parseHead(line, c.last)
		c.last = at
		if h.Service != "" {
			c.service = h.Service
		}
		b.add(line, at)
		c.next += int64(len(line) + 1)
		if b.size >= blockBytes {
			c.blocks = append(c.blocks, b)
			b = newBlock(c.next)
		}
		buf = rest
	}
	if b.size > 0 {
		c.blocks = append(c.blocks, b)
	}
}

// apply adds a chunk to the index. The caller holds the lock.
func (f *file) apply(c chunk) {
	if c.reset {
		f.blocks = nil
	}
	f.info, f.next, f.last = c.info, c.next, c.last
	if c.service != "" {
		f.service = c.service
	}
	for _, b := range c.blocks {
		if n := len(f.blocks); n > 0 {
			prev := &f.blocks[n-1]
			if prev.off+prev.size == b.off && prev.size+b.size <= blockBytes {
				prev.size += b.size
				prev.minTime, prev.maxTime = min(prev.minTime, b.minTime), max(prev.maxTime, b.maxTime)
				for i := range prev.traceIDs {
					prev.traceIDs[i] |= b.traceIDs[i]
				}
				continue
			}
		}
		f.blocks = append(f.blocks, b)
	}
}

func nextLine(r io.ReaderAt, off int64) (int64, error) {
	br := bufio.NewReader(io.NewSectionReader(r, off, maxSeekBytes))
	skipped, err := br.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("find the next line: %w", err)
	}
	return off + int64(len(skipped)), nil
}

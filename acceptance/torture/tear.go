package torture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Sizes in a write-ahead log of SQLite, in bytes (https://sqlite.org/fileformat2.html).
const (
	walHeader   = 32
	frameHeader = 24
)

// committed reads a write-ahead log. It returns the end of the last committed
// transaction, the page size and the pages that the committed frames hold.
func committed(wal []byte) (end, pageSize int, pages []uint32) {
	if len(wal) < walHeader {
		return 0, 0, nil
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if wal[3]&1 == 1 {
		order = binary.BigEndian
	}
	pageSize = int(binary.BigEndian.Uint32(wal[8:]))
	if pageSize < 512 || pageSize > 65536 {
		return 0, 0, nil
	}
	var sum checksum
	sum.add(order, wal[:24])
	if !sum.is(wal[24:]) {
		return 0, 0, nil
	}
	end = walHeader
	var open []uint32 // pages of the transaction that is being read
	for at := walHeader; at+frameHeader+pageSize <= len(wal); at += frameHeader + pageSize {
		frame := wal[at : at+frameHeader+pageSize]
		sum.add(order, frame[:8])
		sum.add(order, frame[frameHeader:])
		if string(frame[8:16]) != string(wal[16:24]) || !sum.is(frame[16:]) {
			break
		}
		open = append(open, binary.BigEndian.Uint32(frame))
		if binary.BigEndian.Uint32(frame[4:]) != 0 { // a commit
			end = at + len(frame)
			pages, open = append(pages, open...), nil
		}
	}
	slices.Sort(pages)
	return end, pageSize, slices.Compact(pages)
}

// checksum is the running checksum of a write-ahead log.
type checksum struct{ a, b uint32 }

func (c *checksum) add(order binary.ByteOrder, p []byte) {
	for i := 0; i+8 <= len(p); i += 8 {
		c.a += order.Uint32(p[i:]) + c.b
		c.b += order.Uint32(p[i+4:]) + c.a
	}
}

func (c *checksum) is(p []byte) bool {
	return c.a == binary.BigEndian.Uint32(p) && c.b == binary.BigEndian.Uint32(p[4:])
}

// TearSQLite damages the store of a process that was killed, as a power cut may: what was
// not yet synchronized may be there, missing or in part. With synchronous=FULL these are
//
//   - the frames of the write-ahead log after the last commit,
//   - pages of the database that an unfinished checkpoint was copying; the log has them,
//   - the index of the log in shared memory.
//
// The caller makes sure that no process has the store open.
func TearSQLite(path string, rng *rand.Rand) (string, error) {
	wal, err := os.ReadFile(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return "without a log", nil
	}
	if err != nil {
		return "", err
	}
	end, pageSize, pages := committed(wal)
	if pageSize == 0 {
		return "with an empty log", nil
	}
	torn, err := tearPages(path, rng, pageSize, pages)
	if err != nil {
		return "", err
	}
	tail := make([]byte, rng.IntN(3*(frameHeader+pageSize)))
	for i := range tail {
		tail[i] = byte(rng.Uint32())
	}
	if len(tail) >= 16 && rng.IntN(2) == 0 { // the start of a frame, without its page
		copy(tail, wal[walHeader-24:walHeader-16])
		copy(tail[8:], wal[16:24])
	}
	if err := endWith(path+"-wal", int64(end), tail); err != nil {
		return "", err
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return fmt.Sprintf("%d pages, %d bytes after the last commit", torn, len(tail)), nil
}

// endWith cuts a file at its length and appends what fits of a tail on its disk. It never
// writes what was before again: a full disk must not take it.
func endWith(path string, length int64, tail []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err = f.Truncate(length); err == nil {
		if _, err = f.WriteAt(tail, length); errors.Is(err, syscall.ENOSPC) {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}

// tearPages overwrites the second half of some pages of a database that its log has.
func tearPages(path string, rng *rand.Rand, pageSize int, pages []uint32) (torn int, err error) {
	db, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	info, err := db.Stat()
	if err != nil {
		return 0, err
	}
	half := make([]byte, pageSize/2)
	for range min(3, len(pages)) {
		at := int64(pages[rng.IntN(len(pages))]-1) * int64(pageSize)
		if at+int64(pageSize) > info.Size() {
			continue
		}
		for i := range half {
			half[i] = byte(rng.Uint32())
		}
		if _, err := db.WriteAt(half, at+int64(pageSize/2)); err != nil {
			return torn, err
		}
		torn++
	}
	return torn, nil
}

// TearBroker damages the data of an embedded broker that was killed, as a power cut may:
// each file that grows ends with part of an entry that was not acknowledged.
func TearBroker(dir string, rng *rand.Rand) (string, error) {
	torn := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".dat", ".idx", ".log":
		default:
			return nil
		}
		if rng.IntN(2) == 0 {
			return nil
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err
		}
		tail := make([]byte, 1+rng.IntN(40))
		for i := range tail {
			tail[i] = byte(rng.Uint32())
		}
		torn++
		_, err = f.Write(tail)
		return errors.Join(err, f.Close())
	})
	return fmt.Sprintf("%d files", torn), err
}

package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// kfake's logs of groups and producers are sequences of entries: a length and a CRC-32C
// of 4 bytes each, little-endian, and as many bytes as the length says.
const (
	entryPrefix = 8
	minEntry    = 2 // the entry's version
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// repair truncates the logs of groups and producers in dir after their last complete
// entry. A crash can leave part of an entry. kfake ignores it when it loads a log, but
// appends behind it, and would ignore all later entries the next time.
func repair(dir string) error {
	for _, name := range []string{"groups.log", "pids.log"} {
		path := filepath.Join(dir, name)
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		if valid := validEntries(content); valid < len(content) {
			if err := os.Truncate(path, int64(valid)); err != nil {
				return fmt.Errorf("repair: %w", err)
			}
		}
	}
	return nil
}

// validEntries returns the length of the complete entries at the start of a log.
func validEntries(log []byte) int {
	at := 0
	for len(log)-at >= entryPrefix {
		length := int64(binary.LittleEndian.Uint32(log[at:]))
		if length < minEntry || length > int64(len(log)-at-entryPrefix) {
			break
		}
		entry := log[at+entryPrefix : at+entryPrefix+int(length)]
		if crc32.Checksum(entry, castagnoli) != binary.LittleEndian.Uint32(log[at+4:]) {
			break
		}
		at += entryPrefix + int(length)
	}
	return at
}

package sqlmw

import (
	"errors"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// sqlStates lists the SQLSTATEs of statements that failed for a lock of another
// transaction.
var sqlStates = map[string]bool{
	"55P03": true, // lock_not_available
	"40P01": true, // deadlock_detected
	"40001": true, // serialization_failure
}

// sqliteBusy lists the primary result codes of SQLite with that meaning.
var sqliteBusy = map[int]string{5: "SQLITE_BUSY", 6: "SQLITE_LOCKED"}

// errorType returns the error.type of a driver's error: the database's code if a lock of
// another transaction is the reason, so that it can be told from other failures, else the
// error's Go type.
func errorType(err error) string {
	var state interface{ SQLState() string } // pgx, lib/pq
	if errors.As(err, &state) && sqlStates[state.SQLState()] {
		return state.SQLState()
	}
	var code interface{ Code() int } // modernc.org/sqlite
	if errors.As(err, &code) {
		if name, ok := sqliteBusy[code.Code()&0xff]; ok {
			return name
		}
	}
	return adapter.ErrorType(err)
}

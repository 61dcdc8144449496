package sqlmw

import (
	"database/sql"

	"github.com/tenhop/tenhop/middleware/hop"
)

// OpenMeasured is sql.Open with the measured driver. orchestrion.yml replaces calls of
// sql.Open by it. The dependency's name is the driver's. The wait for a connection is not
// measured, which needs a DB. When the registry refuses the metrics, the database is not measured.
func OpenMeasured(driverName, dsn string) (*sql.DB, error) {
	if driverName == "" {
		return sql.Open(driverName, dsn)
	}
	db, err := Open(driverName, dsn, driverName)
	if err == nil {
		return db.DB, nil
	}
	plain, own := sql.Open(driverName, dsn)
	if own == nil { // the registry refused the metrics
		hop.Default().Core().NotMeasured("databases", err.Error())
	}
	return plain, own
}

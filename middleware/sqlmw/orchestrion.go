package sqlmw

import "database/sql"

// OpenMeasured is sql.Open with the measured driver. orchestrion.yml replaces calls of
// sql.Open by it. The dependency's name is the driver's. The wait for a connection is not
// measured, which needs a DB.
func OpenMeasured(driverName, dsn string) (*sql.DB, error) {
	if driverName == "" {
		return sql.Open(driverName, dsn)
	}
	db, err := Open(driverName, dsn, driverName)
	if err != nil {
		return nil, err
	}
	return db.DB, nil
}

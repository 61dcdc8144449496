package sqlmw

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"

	"github.com/tenhop/tenhop/middleware/adapter"
)

// rows measures the time in which the driver fetches rows as a wait of the hop. What the
// driver's rows do not tell is what database/sql assumes.
type rows struct {
	driver.Rows
	hop *adapter.Hop
	dep adapter.Dependency
}

var (
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
)

func measured(ctx context.Context, r driver.Rows, err error, dep adapter.Dependency) (driver.Rows, error) {
	h := adapter.FromContext(ctx)
	if err != nil || h == nil || r == nil {
		return r, err
	}
	// Rows with NextRow implement driver.RowsColumnScanner of a later Go version, which
	// a wrapper would hide.
	if _, later := r.(interface{ NextRow() error }); later {
		return r, nil
	}
	return &rows{r, h, dep}, nil
}

// Next fetches a row.
func (r *rows) Next(dest []driver.Value) error {
	defer r.hop.StartCall(r.dep).End()
	return r.Rows.Next(dest)
}

// HasNextResultSet reports whether there is another result set.
func (r *rows) HasNextResultSet() bool {
	inner, ok := r.Rows.(driver.RowsNextResultSet)
	return ok && inner.HasNextResultSet()
}

// NextResultSet advances to the next result set.
func (r *rows) NextResultSet() error {
	inner, ok := r.Rows.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF
	}
	defer r.hop.StartCall(r.dep).End()
	return inner.NextResultSet()
}

// Close closes the rows, for which a driver may read the remaining ones.
func (r *rows) Close() error {
	defer r.hop.StartCall(r.dep).End()
	return r.Rows.Close()
}

// ColumnTypeScanType returns the type to scan a column into.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if inner, ok := r.Rows.(driver.RowsColumnTypeScanType); ok {
		return inner.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

// ColumnTypeDatabaseTypeName returns the database's name of a column's type.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if inner, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return inner.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeLength returns the length of a column of variable length.
func (r *rows) ColumnTypeLength(i int) (length int64, ok bool) {
	if inner, is := r.Rows.(driver.RowsColumnTypeLength); is {
		return inner.ColumnTypeLength(i)
	}
	return 0, false
}

// ColumnTypeNullable reports whether a column may be null.
func (r *rows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if inner, is := r.Rows.(driver.RowsColumnTypeNullable); is {
		return inner.ColumnTypeNullable(i)
	}
	return false, false
}

// ColumnTypePrecisionScale returns precision and scale of a decimal column.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if inner, is := r.Rows.(driver.RowsColumnTypePrecisionScale); is {
		return inner.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}

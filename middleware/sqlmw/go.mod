module github.com/tenhop/tenhop/middleware/sqlmw

go 1.26.0

module github.com/tenhop/tenhop/middleware/redismw

go 1.26.0

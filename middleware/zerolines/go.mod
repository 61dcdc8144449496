module github.com/tenhop/tenhop/middleware/zerolines

go 1.26.0

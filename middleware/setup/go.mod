module github.com/tenhop/tenhop/middleware/setup

go 1.26.0

module github.com/tenhop/tenhop

go 1.26.0

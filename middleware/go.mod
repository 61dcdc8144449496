module github.com/tenhop/tenhop/middleware

go 1.26.0

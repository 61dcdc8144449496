module github.com/tenhop/tenhop/middleware/grpcmw

go 1.26.0

module github.com/tenhop/tenhop/middleware/kafkamw

go 1.26.0

//go:build tools

package tools

import (
	_ "github.com/DataDog/orchestrion"

	_ "github.com/tenhop/tenhop/middleware/grpcmw"
	_ "github.com/tenhop/tenhop/middleware/httpmw"
	_ "github.com/tenhop/tenhop/middleware/kafkamw"
	_ "github.com/tenhop/tenhop/middleware/setup"
	_ "github.com/tenhop/tenhop/middleware/sqlmw"
)

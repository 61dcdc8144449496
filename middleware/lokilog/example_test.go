package lokilog_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/tenhop/tenhop/middleware/lokilog"
)

// Lines go to standard output and to Loki. Close waits for what is queued, at
// most until its context ends.
func ExampleNew() {
	w, err := lokilog.New("http://loki:3100/loki/api/v1/push", "payment", lokilog.WithQueue(10_000, 16<<20))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = w.Close(ctx)
	}()
	logger := zerolog.New(zerolog.MultiLevelWriter(os.Stdout, w))
	logger.Info().Int("cents", 990).Msg("charged")
}

package cart

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	pb "github.com/tenhop/tenhop/services/contracts/tenhopv1"
)

// A claim is a hash like a cart. An ended claim is kept for endedFor with only the
// field ended, so a delayed request cannot claim again with its ID.
const (
	ended    = ""
	endedFor = 10 * time.Minute

	restoreTries = 10
)

func claimKey(user, claim string) string { return "cart-claim:" + user + ":" + claim }

// claim moves the items of a cart to a claim and returns them. If the claim exists
// already, RENAMENX changes neither it nor the cart.
func (s *server) claim(ctx context.Context, user, id string) (*pb.CartContent, error) {
	to := claimKey(user, id)
	pipe := s.redis.TxPipeline()
	renamed := pipe.RenameNX(ctx, key(user), to)
	all := pipe.HGetAll(ctx, to)
	_, err := pipe.Exec(ctx)
	if empty := noSuchKey(renamed.Err()); err != nil && (!empty || all.Err() != nil) {
		return nil, unavailable(err)
	}
	return contentOf(ctx, all.Val()), nil
}

// noSuchKey reports whether a command failed because its key does not exist.
func noSuchKey(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && strings.Contains(answer.Error(), "no such key")
}

// endClaim drops the items of a claim, or puts them back into the cart.
func (s *server) endClaim(ctx context.Context, user, id string, restore bool) error {
	from := claimKey(user, id)
	end := func(pipe redis.Pipeliner) error {
		pipe.Del(ctx, from)
		pipe.HSet(ctx, from, ended, "ended")
		pipe.Expire(ctx, from, endedFor)
		return nil
	}
	var err error
	if restore {
		err = s.restore(ctx, key(user), from, end)
	} else {
		_, err = s.redis.TxPipelined(ctx, end)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// restore ends a claim and adds its items to the cart in one transaction, so no item is
// added twice.
func (s *server) restore(ctx context.Context, cart, from string, end func(redis.Pipeliner) error) error {
	var err error
	for range restoreTries {
		err = s.redis.Watch(ctx, func(tx *redis.Tx) error {
			claimed, err := tx.HGetAll(ctx, from).Result()
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				putBack(ctx, pipe, cart, claimed)
				return end(pipe)
			})
			return err
		}, from)
		if !errors.Is(err, redis.TxFailedErr) { // another call changed the claim meanwhile
			return err
		}
	}
	return err
}

// putBack adds the items of a claim to a cart.
func putBack(ctx context.Context, pipe redis.Pipeliner, cart string, claimed map[string]string) {
	added := false
	for product, quantity := range claimed {
		if n, err := strconv.ParseInt(quantity, 10, 32); err == nil && n > 0 {
			pipe.HIncrBy(ctx, cart, product, n)
			added = true
		}
	}
	if added {
		pipe.Expire(ctx, cart, keepFor)
	}
}

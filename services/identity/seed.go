package identity

import (
	"context"
	"fmt"

	"github.com/tenhop/tenhop/services/runtime"
)

// Users is the number of seeded users. Their API keys are APIKey(0) to APIKey(Users-1).
const Users = 200

// APIKey returns the demo API key of the nth seeded user.
func APIKey(n int) string { return fmt.Sprintf("demo-key-%03d", n) }

// UserID returns the ID of the nth seeded user.
func UserID(n int) string { return fmt.Sprintf("user-%03d", n) }

// Each tier occurs in every region. Otherwise a fault for one tier would look like
// a fault for one region.
var (
	tiers   = []string{"standard", "standard", "standard", "silver", "silver", "gold"}
	regions = []string{"eu", "us", "apac"}
	given   = []string{"Ada", "Grace", "Edsger", "Barbara", "Alan", "Radia", "Tony", "Frances"}
	family  = []string{"Okafor", "Lindqvist", "Moreau", "Tanaka", "Silva", "Novak", "Haddad"}
)

func seed(ctx context.Context, store *runtime.Store) error {
	empty, err := store.Empty(ctx, "users")
	if err != nil || !empty {
		return err
	}
	return store.InTx(ctx, func(tx runtime.Tx) error {
		for n := range Users {
			name := given[n%len(given)] + " " + family[n%len(family)]
			_, err := tx.Exec(ctx, "INSERT INTO users (id, name, email, tier, region, api_key_hash) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
				UserID(n), name, fmt.Sprintf("user%03d@shop.example", n), tiers[n%len(tiers)], regions[n/len(tiers)%len(regions)], hash(APIKey(n)))
			if err != nil {
				return fmt.Errorf("seed users: %w", err)
			}
		}
		return nil
	})
}

package catalog

import (
	"context"
	"fmt"

	"github.com/tenhop/tenhop/services/runtime"
)

// Products is the number of seeded products.
const Products = 300

// ProductID returns the ID of the nth seeded product.
func ProductID(n int) string { return fmt.Sprintf("p-%03d", n) }

var (
	categories = []string{"kitchen", "garden", "books", "audio", "outdoor", "toys"}
	materials  = []string{"oak", "steel", "linen", "copper", "cork", "glass", "wool"}
	things     = []string{"kettle", "lamp", "stool", "speaker", "tent", "puzzle", "notebook", "planter", "headphones", "backpack"}
)

func seed(ctx context.Context, store *runtime.Store) error {
	empty, err := store.Empty(ctx, "products")
	if err != nil || !empty {
		return err
	}
	return store.InTx(ctx, func(tx runtime.Tx) error {
		for n := range Products {
			material, thing := materials[n%len(materials)], things[n%len(things)]
			_, err := tx.Exec(ctx, "INSERT INTO products (id, name, category, description, price) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
				ProductID(n), fmt.Sprintf("%s %s no. %d", material, thing, n), categories[n%len(categories)],
				fmt.Sprintf("A %s made of %s, model %d.", thing, material, n), int64(490+(n*137)%19500))
			if err != nil {
				return fmt.Errorf("seed products: %w", err)
			}
		}
		return nil
	})
}

package broker

import "context"

// Recount counts the partitions, as is done once per minute.
func (b *Broker) Recount(ctx context.Context, address string) error {
	admin, err := b.admin(address)
	if err != nil {
		return err
	}
	defer admin.Close()
	return b.countPartitions(ctx, admin)
}

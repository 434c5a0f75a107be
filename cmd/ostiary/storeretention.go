package main

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/deleted"
	"github.com/ostiary/ostiary/raftstore"
)

// storeFlags are the settings of 'serve' about stores.
type storeFlags struct {
	retention time.Duration // of deleted ones
	tuples    uint64        // quota of new ones
}

func (s *storeFlags) register(f *pflag.FlagSet) {
	f.DurationVar(&s.retention, "store-retention", 7*24*time.Hour, "how long a deleted store can come back (ostiary store undelete); then what is left of it is removed (0: at once)")
	f.Uint64Var(&s.tuples, "store-quota-tuples", 0, "how many tuples a new store may have, until 'ostiary store quota set' says otherwise (0: any number)")
	fromEnv(f, "store-retention", "store-quota-tuples")
	between(f, "store-retention", time.Duration(0), maxRetention)
	between(f, "store-quota-tuples", 0, int64(maxStoreTuples))
}

// maxStoreTuples bounds --store-quota-tuples: far more than one node holds.
const maxStoreTuples = 1_000_000_000_000

// purgeInterval is how often the node that leads looks for deleted stores whose retention has ended.
const purgeInterval = time.Minute

// purgeStores removes what is left of deleted stores, where this node leads, until ctx ends.
func (n *node) purgeStores(ctx context.Context) {
	purger := deleted.NewPurger(deleted.Options{Backend: purgeBackend{n.store}, Forget: n.server.Access().Forget})
	whileLeading(ctx, n.store.Leads, purgeInterval, func() (done bool) {
		gone, err := purger.Purge(ctx)
		for _, store := range gone {
			n.logger.Info("removed what was left of a deleted store", "store", store)
		}
		if err != nil && ctx.Err() == nil {
			n.logger.Warn("deleted stores not removed", "error", err)
		}
		return false
	})
}

// purgeBackend makes a raftstore.Store what package deleted works on.
type purgeBackend struct{ *raftstore.Store }

func (b purgeBackend) View(ctx context.Context, f ostiary.Freshness) (deleted.View, error) {
	return b.Store.View(ctx, f)
}

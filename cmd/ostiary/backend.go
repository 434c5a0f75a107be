package main

import (
	"context"
	"io"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

var _ engine.Reader = (*storage.Reader)(nil)

// backend makes a raftstore.Store what api answers from: the two do not know each other.
type backend struct{ *raftstore.Store }

var _ api.Backend = backend{}

// View returns a view as api knows it.
func (b backend) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Store.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return view{v}, nil
}

// backUp makes the backups of a store what api streams.
func backUp(store *raftstore.Store) api.BackupFunc {
	release := readBuildInfo().Version
	return func(ctx context.Context, since ostiary.Revision, cluster ostiary.ClusterID, w io.Writer) error {
		return store.Backup(ctx, raftstore.BackupOptions{Since: since, Cluster: cluster, Release: release}, w)
	}
}

// view makes a storage.View what api reads from.
type view struct{ *storage.View }

var _ api.View = view{}

// Reader returns what evaluation reads from.
func (v view) Reader(store string, nowNanos int64) engine.Reader {
	return v.View.Reader(store, nowNanos)
}

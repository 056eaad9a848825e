package etcdkv

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// A snapshot is the store as of one revision of etcd, which nothing changes any
// more. It serves one goroutine.
type snapshot struct {
	db       *DB
	head     head
	revision int64
	ahead    pages
}

// snapshot returns the present state: a majority of the servers agrees on it.
func (db *DB) snapshot(ctx context.Context) (*snapshot, error) {
	h, revision, err := db.headAt(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &snapshot{db: db, head: h, revision: revision, ahead: newPages()}, nil
}

// read reads as of the snapshot. Any server that has come so far may answer; if
// the one that was asked has not, the others are asked for how far they are.
func (s *snapshot) read(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	opts = append(opts, clientv3.WithRev(s.revision))
	resp, err := s.db.client.Get(ctx, key, append(opts, clientv3.WithSerializable())...)
	if errors.Is(err, rpctypes.ErrFutureRev) {
		resp, err = s.db.client.Get(ctx, key, opts...)
	}
	if err != nil {
		return nil, failed("read", s.revision, err)
	}
	return resp, nil
}

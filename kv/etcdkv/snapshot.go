package etcdkv

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/jettison-oci/jettison/kv"
)

// A snapshot is the store as of one revision of etcd, which nothing changes any
// more. It serves one goroutine.
type snapshot struct {
	db       *DB
	head     head
	revision int64
}

// snapshot returns the present state: a majority of the servers agrees on it.
func (db *DB) snapshot(ctx context.Context) (*snapshot, error) {
	h, revision, err := db.headAt(ctx, 0)
	if err != nil {
		return nil, err
	}
	return &snapshot{db: db, head: h, revision: revision}, nil
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

// get returns the value of an entry, or [kv.ErrNotFound].
func (s *snapshot) get(ctx context.Context, key []byte) ([]byte, error) {
	resp, err := s.read(ctx, s.db.keys.entry(key))
	if err != nil {
		return nil, err
	}
	if len(resp.Kvs) == 0 {
		return nil, kv.ErrNotFound
	}
	return resp.Kvs[0].Value, nil
}

// The sizes of a page: entries of the first one, and the most of later ones; the
// bytes that a page is meant to have.
const (
	firstPage = 32
	maxPage   = 4096
	pageBytes = 1 << 20
)

// walk passes on the keys and values whose names in etcd begin with prefix, in
// order, until yield returns false. It reads them page by page.
func (s *snapshot) walk(ctx context.Context, prefix string, yield func(name, value []byte) bool) error {
	from, limit := prefix, firstPage
	for {
		resp, err := s.read(ctx, from, clientv3.WithRange(end(prefix)), clientv3.WithLimit(int64(limit)))
		if err != nil {
			return err
		}
		size := 1
		for _, pair := range resp.Kvs {
			if !yield(pair.Key, pair.Value) {
				return nil
			}
			size += len(pair.Key) + len(pair.Value)
			from = string(pair.Key) + "\x00"
		}
		if !resp.More {
			return nil
		}
		limit = min(8*limit, maxPage, 1+pageBytes*len(resp.Kvs)/size)
	}
}

package etcdkv

import (
	"context"
	"iter"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

// The sizes that are taken, and those of a request: etcd's own limit is 1.5 MiB,
// and a request has room for the largest entry.
const (
	maxKey   = 4 << 10
	maxValue = 1 << 20
	maxBytes = maxValue + 256<<10
)

// A reader shows a snapshot, and changes upon it, to one function. It has no
// writing methods, so that nothing can turn it into a Tx.
type reader struct {
	snap    *snapshot
	changes *changes
	state   txn.State
}

// Get implements [kv.Reader].
func (r *reader) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := r.state.Read(ctx); err != nil {
		return nil, err
	}
	c, ok := r.changes.get(key)
	switch {
	case !ok:
		return r.snap.get(ctx, key)
	case c.removed:
		return nil, kv.ErrNotFound
	}
	return c.Value, nil
}

// Scan implements [kv.Reader].
func (r *reader) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return r.state.Scan(func(yield func(kv.Entry, error) bool) error {
		var ended error
		if ended = r.state.Read(ctx); ended != nil {
			return ended
		}
		m := r.changes.merge(prefix, func(e kv.Entry) bool {
			if ended = r.state.Read(ctx); ended != nil {
				return false
			}
			return yield(e, nil)
		})
		if err := r.snap.walk(ctx, prefix, m.stored); err != nil {
			return err
		}
		m.rest()
		return ended
	})
}

type writer struct{ reader }

// Put implements [kv.Tx].
func (w *writer) Put(ctx context.Context, key, value []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	switch {
	case len(key) == 0:
		return class.Errorf(class.InvalidArgument, "a key must not be empty")
	case len(key) > maxKey:
		return class.Errorf(class.InvalidArgument, "put %.64q: the key has more than %d bytes", key, maxKey)
	case len(value) > maxValue:
		return class.Errorf(class.InvalidArgument, "put %.64q: the value has %d bytes, and etcd takes %d", key, len(value), maxValue)
	}
	w.changes.put(key, value)
	return nil
}

// Delete implements [kv.Tx].
func (w *writer) Delete(ctx context.Context, key []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	if len(key) > 0 && len(key) <= maxKey {
		w.changes.remove(key)
	}
	return nil
}

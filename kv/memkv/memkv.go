// Package memkv is a [kv.DB] in memory, for tests and for stores that need not
// outlive their process.
//
// It is a copy-on-write B-tree. A View reads the tree as it was when the View
// began: it costs no copy, and neither waits for an Update nor makes one wait.
// An Update changes a copy that shares every node it does not touch, and
// replaces the tree when it succeeds. Memory is that of the entries, and of
// the nodes that a View still holds.
//
// What the contract forbids and this engine can notice, it refuses with an
// error of class InvalidArgument: using a transaction after its end, and
// writing while a scan runs.
package memkv

import (
	"bytes"
	"context"
	"iter"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/internal/txn"
)

var _ kv.DB = (*DB)(nil)

// A DB is a [kv.DB] in memory. Make one with [New].
type DB struct {
	gate *txn.Gate
	// tree is never changed once it is here; an Update stores another.
	tree atomic.Pointer[tree]
}

type tree = btree.BTreeG[kv.Entry]

// degree sets the size of a node, at most 15 entries. An Update copies each
// node on the way to what it changes, so smaller nodes than the tree's default
// of 63 entries make a small Update take half the memory and time; reading
// takes about as long.
const degree = 8

// New returns an empty DB.
func New() *DB {
	db := &DB{gate: txn.NewGate("memory store")}
	less := func(a, b kv.Entry) bool { return bytes.Compare(a.Key, b.Key) < 0 }
	// The tree's own locks are not needed: nothing writes to a tree that
	// anything else reads.
	db.tree.Store(btree.NewBTreeGOptions(less, btree.Options{Degree: degree, NoLocks: true}))
	return db
}

// View implements [kv.DB]. It never waits.
func (db *DB) View(ctx context.Context, fn func(kv.Reader) error) error {
	if err := db.gate.Enter(ctx); err != nil {
		return err
	}
	defer db.gate.Leave()
	r := &reader{tree: db.tree.Load()}
	defer r.state.End()
	return fn(r)
}

// Update implements [kv.DB]. It waits for other Updates, until its context
// ends, and runs fn once.
func (db *DB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if err := db.gate.EnterAlone(ctx); err != nil {
		return err
	}
	defer db.gate.LeaveAlone()
	w := &writer{reader{tree: db.tree.Load().Copy()}}
	defer w.state.End()
	if err := fn(w); err != nil {
		return err
	}
	db.tree.Store(w.tree)
	return nil
}

// Close implements [kv.DB]. The entries are gone.
func (db *DB) Close() error {
	db.gate.Close()
	db.tree.Store(nil)
	return nil
}

// A reader has no writing methods, so that nothing can turn it into a Tx.
type reader struct {
	tree  *tree
	state txn.State
}

// Get implements [kv.Reader].
func (r *reader) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := r.state.Read(ctx); err != nil {
		return nil, err
	}
	e, ok := r.tree.Get(kv.Entry{Key: key})
	if !ok {
		return nil, kv.ErrNotFound
	}
	return e.Value, nil
}

// Scan implements [kv.Reader].
func (r *reader) Scan(ctx context.Context, prefix []byte) iter.Seq2[kv.Entry, error] {
	return r.state.Scan(func(yield func(kv.Entry, error) bool) error {
		err := r.state.Read(ctx)
		if err != nil {
			return err
		}
		r.tree.Ascend(kv.Entry{Key: prefix}, func(e kv.Entry) bool {
			if !bytes.HasPrefix(e.Key, prefix) {
				return false
			}
			if err = r.state.Read(ctx); err != nil {
				return false
			}
			return yield(e, nil)
		})
		return err
	})
}

type writer struct{ reader }

// Put implements [kv.Tx].
func (w *writer) Put(ctx context.Context, key, value []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	if len(key) == 0 {
		return class.Errorf(class.InvalidArgument, "a key must not be empty")
	}
	n := len(key)
	both := make([]byte, n+len(value))
	copy(both, key)
	copy(both[n:], value)
	w.tree.Set(kv.Entry{Key: both[:n:n], Value: both[n:]})
	return nil
}

// Delete implements [kv.Tx].
func (w *writer) Delete(ctx context.Context, key []byte) error {
	if err := w.state.Write(ctx); err != nil {
		return err
	}
	w.tree.Delete(kv.Entry{Key: key})
	return nil
}

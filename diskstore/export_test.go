package diskstore

import (
	"context"

	"github.com/jettison-oci/jettison/internal/vfs"
	"github.com/jettison-oci/jettison/internal/vfs/faultfs"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kvstore"
)

// ClearLimit is how many marks of removed files are kept at most.
const ClearLimit = clearLimit

// The sizes at which content is copied in another way.
const (
	SmallSize = smallSize
	BlockSize = blockSize
)

// RemovalChunk is how many marks are looked at in one step.
const RemovalChunk = removalChunk

// OpenFaulty is Open of a store that changes its files through files, for which
// each commit of the records is a step too.
func OpenFaulty(ctx context.Context, dir string, opts *Options, files *faultfs.FS) (*Store, error) {
	if opts == nil {
		opts = &Options{}
	}
	s, err := newStore(dir, opts)
	if err != nil {
		return nil, err
	}
	s.files.fs = files
	s.engine = func(db kv.DB) kv.DB { return &faultyDB{DB: db, files: files, path: s.metaPath()} }
	if err := s.open(ctx, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// A faultyDB is a database whose commits are steps, as far as they change
// something.
type faultyDB struct {
	kv.DB
	files *faultfs.FS
	path  string
}

// Update fails ahead of its commit, or after it, as the step does.
func (db *faultyDB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	var late error
	err := db.DB.Update(ctx, func(tx kv.Tx) error {
		writes := &writes{Tx: tx}
		if err := fn(writes); err != nil || !writes.any {
			return err
		}
		commits := false
		err := db.files.Do(faultfs.Commit, db.path, func() error {
			commits = true
			return nil
		})
		err = vfs.Unavailable(err)
		if commits {
			late, err = err, nil
		}
		return err
	})
	if err == nil {
		err = late
	}
	return err
}

// writes is a transaction that knows whether it changes anything.
type writes struct {
	kv.Tx
	any bool
}

func (w *writes) Put(ctx context.Context, key, value []byte) error {
	w.any = true
	return w.Tx.Put(ctx, key, value)
}

func (w *writes) Delete(ctx context.Context, key []byte) error {
	w.any = true
	return w.Tx.Delete(ctx, key)
}

// DB is where the records are.
func (s *Store) DB() kv.DB { return s.db }

// Wrap puts something between the store and its records.
func (s *Store) Wrap(ctx context.Context, wrap func(kv.DB) kv.DB) (err error) {
	s.records, err = kvstore.New(ctx, wrap(s.db), &kvstore.Options{MarkGarbage: true})
	return err
}

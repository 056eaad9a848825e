package backends

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openBoltKV(t testing.TB, st storetest.State) *Opened {
	path := filepath.Join(t.TempDir(), metaFile)
	file := openFile(t, path, func(ctx context.Context) (fileStore, error) {
		db, err := boltkv.Open(ctx, path, &boltkv.Options{NoSync: true})
		if err != nil {
			return nil, err
		}
		store, err := kvstore.New(ctx, db, nil)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return &boltStore{store, db}, nil
	})
	return New(t, file, &fileEngine{kvEngine{file}, file}, st)
}

// metaFile is the name of the file with the records, as package diskstore has
// it.
const metaFile = "meta.db"

// boltStore is a store that closes its database.
type boltStore struct {
	*kvstore.Store
	db kv.DB
}

func (s *boltStore) Close() error { return s.db.Close() }

// A fileStore is a store that lies in a file.
type fileStore interface {
	jettison.Backend
	editor
	Close() error
}

// reopened is a store in a file that can be closed and opened again under those
// who use it.
type reopened struct {
	path   string // of the records
	reopen func(context.Context) (fileStore, error)
	mu     sync.RWMutex
	store  fileStore
}

// openFile opens a store until the test ends.
func openFile(t testing.TB, path string, fn func(context.Context) (fileStore, error)) *reopened {
	t.Helper()
	r := &reopened{path: path, reopen: fn}
	if err := r.open(t.Context()); err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := r.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// open opens the store. One that does not open is the old one, which is closed.
func (r *reopened) open(ctx context.Context) error {
	store, err := r.reopen(ctx)
	if err == nil {
		r.store = store
	}
	return err
}

// whileClosed runs fn on the closed store.
func (r *reopened) whileClosed(ctx context.Context, fn func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.store.Close(); err != nil {
		return err
	}
	return errors.Join(fn(), r.open(ctx))
}

// View is that of the store.
func (r *reopened) View(ctx context.Context, fn func(jettison.Stores) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store.View(ctx, fn)
}

// Update is that of the store.
func (r *reopened) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store.Update(ctx, fn)
}

// Read is that of the store.
func (r *reopened) Read(ctx context.Context, fn func(*kvstore.Tx) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store.Read(ctx, fn)
}

// Edit is that of the store.
func (r *reopened) Edit(ctx context.Context, fn func(*kvstore.Tx) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.store.Edit(ctx, fn)
}

// fileEngine is an engine whose store lies in a file.
type fileEngine struct {
	kvEngine
	file *reopened
}

var _ TestEngine = (*fileEngine)(nil)

func (e *fileEngine) Damage(ctx context.Context, id digest.Digest) error {
	return e.file.whileClosed(ctx, func() error {
		db, err := boltkv.Open(ctx, e.file.path, nil)
		if err != nil {
			return err
		}
		return errors.Join(damageKV(ctx, db, id), db.Close())
	})
}

func (e *fileEngine) Reopen(ctx context.Context) error {
	return e.file.whileClosed(ctx, func() error { return nil })
}

func (e *fileEngine) Problems(ctx context.Context) (found []string, err error) {
	err = e.file.whileClosed(ctx, func() error {
		db, err := boltkv.Open(ctx, e.file.path, &boltkv.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		found, err = problemsOf(kvstore.Check(ctx, db, kvstore.CheckOptions{}))
		return errors.Join(err, db.Close())
	})
	return found, err
}

package backends

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kv/boltkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openDisk(t testing.TB, st storetest.State) *Opened {
	disk := &reopened{dir: t.TempDir()}
	if err := disk.open(t.Context()); err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := disk.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return open(t, disk, &diskEngine{kvEngine{editor: disk}, disk}, st)
}

// reopened is a store on disk that can be closed and opened again under those
// who use it.
type reopened struct {
	dir   string
	mu    sync.RWMutex
	store *diskstore.Store
}

func (r *reopened) open(ctx context.Context) (err error) {
	r.store, err = diskstore.Open(ctx, r.dir, nil)
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

// diskEngine writes content beside the records.
type diskEngine struct {
	kvEngine
	disk *reopened
}

func (e *diskEngine) Create(ctx context.Context, img storetest.Image) error {
	return e.createAll(ctx, []storetest.Image{img})
}

func (e *diskEngine) createAll(ctx context.Context, images []storetest.Image) (err error) {
	e.disk.mu.RLock()
	defer e.disk.mu.RUnlock()
	in, err := e.disk.store.Ingest(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	for _, img := range images {
		if err := write(ctx, in, img); err != nil {
			return err
		}
	}
	return in.Commit(ctx, func(tx *kvstore.Tx) error { return create(ctx, tx, images) })
}

// write writes the content of an image.
func write(ctx context.Context, in *diskstore.Ingest, img storetest.Image) error {
	descriptors, data := img.LayerDescriptors(), img.Layers
	descriptors, data = append(descriptors, img.ConfigDescriptor()), append(slices.Clip(data), img.Config)
	for i, want := range descriptors {
		if _, err := in.Write(ctx, bytes.NewReader(data[i]), want); err != nil {
			return err
		}
	}
	return nil
}

func (e *diskEngine) damage(ctx context.Context, id digest.Digest) error {
	return e.disk.whileClosed(ctx, func() error {
		db, err := boltkv.Open(ctx, filepath.Join(e.disk.dir, "meta.db"), nil)
		if err != nil {
			return err
		}
		return errors.Join(damageKV(ctx, db, id), db.Close())
	})
}

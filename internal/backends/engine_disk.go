package backends

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jettison-oci/jettison/diskstore"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openDisk(t testing.TB, st storetest.State) *Opened {
	return openDiskStore(t, st, nil)
}

func openBackground(t testing.TB, st storetest.State) *Opened {
	return openDiskStore(t, st, &diskstore.Options{BackgroundRemoval: true})
}

func openDiskStore(t testing.TB, st storetest.State, opts *diskstore.Options) *Opened {
	dir := t.TempDir()
	var disk *diskstore.Store // that of file, which guards it
	file := openFile(t, filepath.Join(dir, metaFile), func(ctx context.Context) (fileStore, error) {
		store, err := diskstore.Open(ctx, dir, opts)
		if err != nil {
			return nil, err
		}
		disk = store
		return store, nil
	})
	e := &diskEngine{fileEngine: fileEngine{kvEngine{file}, file}, disk: func() *diskstore.Store { return disk }}
	return New(t, file, e, st)
}

// diskEngine writes content beside the records.
type diskEngine struct {
	fileEngine
	disk func() *diskstore.Store
}

func (e *diskEngine) Create(ctx context.Context, img storetest.Image) error {
	return e.CreateAll(ctx, []storetest.Image{img})
}

func (e *diskEngine) CreateAll(ctx context.Context, images []storetest.Image) (err error) {
	e.file.mu.RLock()
	defer e.file.mu.RUnlock()
	in, err := e.disk().Ingest(ctx)
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
	for _, part := range img.Images {
		if err := write(ctx, in, part); err != nil {
			return err
		}
	}
	descriptors, data := append(img.LayerDescriptors(), img.OwnDescriptors()...), slices.Clip(img.Layers)
	for _, own := range [][]byte{img.Config, img.Manifest} {
		if own != nil {
			data = append(data, own)
		}
	}
	for i, want := range descriptors {
		if _, err := in.Write(ctx, bytes.NewReader(data[i]), want); err != nil {
			return err
		}
	}
	return nil
}

func (e *diskEngine) Problems(ctx context.Context) (found []string, err error) {
	err = e.file.whileClosed(ctx, func() error {
		store, err := diskstore.Open(ctx, filepath.Dir(e.file.path), &diskstore.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		found, err = problemsOf(store.Check(ctx, diskstore.CheckOptions{Content: true}))
		return errors.Join(err, store.Close())
	})
	return found, err
}

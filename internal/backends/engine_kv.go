package backends

import (
	"context"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/pkg/errors"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/check"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/kv"
	"github.com/jettison-oci/jettison/kv/memkv"
	"github.com/jettison-oci/jettison/kvstore"
	"github.com/jettison-oci/jettison/refstore"
	"github.com/jettison-oci/jettison/storetest"
)

func openMemKV(t testing.TB, st storetest.State) *Opened {
	return openKV(t, memkv.New(), st)
}

// KV is the kind of backend that kvstore is over the engines that open opens, each
// empty; they are closed with the test.
func KV(name string, open func(testing.TB) kv.DB) Backend {
	b := Memory()
	b.Name = name
	b.Open = func(t testing.TB, st storetest.State) *Opened { return openKV(t, open(t), st) }
	return b
}

func openKV(t testing.TB, db kv.DB, st storetest.State) *Opened {
	t.Helper()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	store, err := kvstore.New(t.Context(), db, nil)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return New(t, store, &dbEngine{kvEngine{store}, db}, st)
}

// An editor is a store with the types of package kvstore.
type editor interface {
	Read(ctx context.Context, fn func(*kvstore.Tx) error) error
	Edit(ctx context.Context, fn func(*kvstore.Tx) error) error
}

// kvEngine changes a store over a key-value engine.
type kvEngine struct{ editor }

// dbEngine is one whose store has nothing beside its engine.
type dbEngine struct {
	kvEngine
	db kv.DB
}

var _ TestEngine = (*dbEngine)(nil)

func (e *kvEngine) Create(ctx context.Context, img storetest.Image) error {
	return e.CreateAll(ctx, []storetest.Image{img})
}

func (e *kvEngine) CreateAll(ctx context.Context, images []storetest.Image) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error { return create(ctx, tx, images) })
}

// create makes the images in a transaction.
func create(ctx context.Context, tx *kvstore.Tx, images []storetest.Image) error {
	for _, img := range images {
		var err error
		if img.Index != nil {
			_, err = tx.Images.CreateIndex(ctx, indexSpec(img))
		} else {
			_, err = tx.Images.Create(ctx, imageSpec(img))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func imageSpec(img storetest.Image) imagestore.Spec {
	return imagestore.Spec{
		Config:   img.Config,
		Manifest: imagestore.Document{Data: img.Manifest},
		Parent:   img.Parent,
		Layers:   img.LayerDescriptors(),
		Content:  img.OwnDescriptors(),
	}
}

func indexSpec(img storetest.Image) imagestore.IndexSpec {
	spec := imagestore.IndexSpec{Documents: []imagestore.Document{{Data: img.Index}}}
	for _, part := range img.Images {
		if part.Index == nil {
			spec.Manifests = append(spec.Manifests, imageSpec(part))
			continue
		}
		nested := indexSpec(part)
		spec.Documents = append(spec.Documents, nested.Documents...)
		spec.Manifests = append(spec.Manifests, nested.Manifests...)
	}
	return spec
}

func (e *kvEngine) Tag(ctx context.Context, name string, id digest.Digest, opts refstore.AddOptions) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error {
		if _, err := tx.Images.Get(ctx, id); err != nil {
			return err
		}
		return setName(ctx, tx, name, id, opts)
	})
}

func (e *kvEngine) Name(ctx context.Context, name string, id digest.Digest) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error { return setName(ctx, tx, name, id, refstore.AddOptions{}) })
}

func setName(ctx context.Context, tx *kvstore.Tx, name string, id digest.Digest, opts refstore.AddOptions) error {
	ref, err := parse(name)
	if err != nil {
		return err
	}
	if canonical, ok := ref.(reference.Canonical); ok {
		return tx.References.AddDigest(ctx, canonical, id)
	}
	return tx.References.AddTag(ctx, ref, id, opts)
}

func (e *kvEngine) AddContainer(ctx context.Context, c jettison.Container) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error {
		_, err := tx.Containers.Add(ctx, c)
		return err
	})
}

func (e *kvEngine) Start(ctx context.Context, container string) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error { return tx.Containers.Start(ctx, container) })
}

func (e *kvEngine) Stop(ctx context.Context, container string) error {
	return e.Edit(ctx, func(tx *kvstore.Tx) error { return tx.Containers.Stop(ctx, container) })
}

func (e *kvEngine) RemoveContainer(ctx context.Context, container string) error {
	err := e.Edit(ctx, func(tx *kvstore.Tx) error {
		return tx.Containers.Remove(ctx, container, kvstore.RemoveOptions{Force: true})
	})
	if errors.Is(err, class.NotFound) {
		return nil
	}
	return err
}

func (e *dbEngine) Damage(ctx context.Context, id digest.Digest) error {
	return damageKV(ctx, e.db, id)
}

func (e *dbEngine) Reopen(context.Context) error { return nil }

func (e *dbEngine) Problems(ctx context.Context) ([]string, error) {
	return problemsOf(kvstore.Check(ctx, e.db, kvstore.CheckOptions{}))
}

// problemsOf are findings in words.
func problemsOf(findings []check.Finding, err error) ([]string, error) {
	var found []string
	for _, f := range findings {
		found = append(found, f.String())
	}
	return found, err
}

// damageKV overwrites the record of an image that is there.
func damageKV(ctx context.Context, db kv.DB, id digest.Digest) error {
	key := []byte("image/" + id)
	return db.Update(ctx, func(tx kv.Tx) error {
		if _, err := tx.Get(ctx, key); err != nil {
			return err
		}
		return tx.Put(ctx, key, []byte("damaged by the test"))
	})
}

func (e *kvEngine) Contents(ctx context.Context) ([]imagestore.Content, error) {
	var found []imagestore.Content
	err := e.Read(ctx, func(tx *kvstore.Tx) error {
		found = nil
		for c, err := range tx.Images.Contents(ctx) {
			if err != nil {
				return err
			}
			found = append(found, c)
		}
		return nil
	})
	return found, err
}

func (e *kvEngine) Document(ctx context.Context, index digest.Digest) (data []byte, err error) {
	err = e.Read(ctx, func(tx *kvstore.Tx) (err error) {
		data, err = tx.Images.Document(ctx, index)
		return err
	})
	return data, err
}

func (e *kvEngine) Containers(ctx context.Context) ([]jettison.Container, error) {
	var found []jettison.Container
	err := e.Read(ctx, func(tx *kvstore.Tx) error {
		found = nil
		for c, err := range tx.Containers.All(ctx) {
			if err != nil {
				return err
			}
			found = append(found, c)
		}
		return nil
	})
	return found, err
}

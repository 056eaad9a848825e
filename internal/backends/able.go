package backends

import (
	"context"
	"testing"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/storetest"
)

// Able returns the kind of backend that has every optional ability: a store in
// memory, and around it those that no kind of [All] has.
func Able() Backend {
	able := All()[1]
	inner := able.Open
	able.Name = "able"
	able.NamedDeletes = true
	able.Open = func(t testing.TB, st storetest.State) *Opened {
		o := inner(t, st)
		o.Backend = &ableBackend{o.Backend}
		return o
	}
	return able
}

// ableBackend gives the stores of a backend the abilities that they lack.
type ableBackend struct{ jettison.Backend }

func (b *ableBackend) View(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.View(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

func (b *ableBackend) Update(ctx context.Context, fn func(jettison.Stores) error) error {
	return b.Backend.Update(ctx, func(stores jettison.Stores) error { return fn(b.stores(stores)) })
}

// linkedStore is what the images can do anyway.
type linkedStore interface {
	jettison.ImageStore
	jettison.ReferrerStore
	jettison.PlatformStore
}

func (*ableBackend) stores(stores jettison.Stores) jettison.Stores {
	images := stores.Images.(linkedStore) //nolint:errcheck,forcetypeassert // they can
	stores.Images = ableImages{images, stores.References}
	return stores
}

// ableImages can do everything.
type ableImages struct {
	linkedStore
	refs jettison.ReferenceStore
}

var _ jettison.NamedDeleter = ableImages{}

// DeleteNamed removes one after another.
func (s ableImages) DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error) {
	for i, ref := range refs {
		if err := s.refs.Delete(ctx, ref, id); err != nil {
			return i, imagestore.Removed{}, err
		}
	}
	removed, err := s.Delete(ctx, id)
	return len(refs), removed, err
}

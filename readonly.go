package jettison

import (
	"context"
	"iter"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// errReadOnly is the error of a change attempted through a view.
var errReadOnly = class.Errorf(class.Internal, "a view cannot change the store")

// readOnly shows stores to a view: what reads as it is, what also writes with its
// writes refused, and not what only an update has a use for.
func readOnly(stores Stores) Stores {
	shown := Stores{
		Images: Images{
			ImageStore: readOnlyImages{stores.Images.ImageStore},
			Referrers:  stores.Images.Referrers,
		},
		References: References{
			ReferenceStore: readOnlyReferences{stores.References.ReferenceStore},
			Short:          stores.References.Short,
			Digests:        stores.References.Digests,
		},
		Containers: Containers{ContainerLister: stores.Containers.ContainerLister},
		Leases:     readOnlyLeases{stores.Leases},
	}
	if stores.Images.Platforms != nil {
		shown.Images.Platforms = readOnlyPlatforms{stores.Images.Platforms}
	}
	if stores.Containers.Remover != nil {
		shown.Containers.Remover = readOnlyRemover{}
	}
	return shown
}

// readOnlyImages shows an image store to a view. It hands on what reads, one
// method each, so that a method that is added later does not slip through.
type readOnlyImages struct{ store ImageStore }

func (r readOnlyImages) Get(ctx context.Context, id digest.Digest) (imagestore.Image, error) {
	return r.store.Get(ctx, id)
}

func (r readOnlyImages) Search(ctx context.Context, prefix string) ([]digest.Digest, error) {
	return r.store.Search(ctx, prefix)
}

func (r readOnlyImages) Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return r.store.Children(ctx, id)
}

func (r readOnlyImages) Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error) {
	return r.store.Layer(ctx, chainID)
}

func (r readOnlyImages) All(ctx context.Context) iter.Seq2[imagestore.Image, error] {
	return r.store.All(ctx)
}

func (readOnlyImages) Delete(context.Context, digest.Digest) (imagestore.Removed, error) {
	return imagestore.Removed{}, errReadOnly
}

// readOnlyPlatforms shows to a view what taking platforms out would make.
type readOnlyPlatforms struct{ indexes PlatformStore }

func (r readOnlyPlatforms) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	return r.indexes.Without(ctx, id, manifests)
}

func (readOnlyPlatforms) Replace(context.Context, digest.Digest, []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	return imagestore.Image{}, imagestore.Removed{}, errReadOnly
}

// readOnlyReferences shows a reference store to a view.
type readOnlyReferences struct{ store ReferenceStore }

func (r readOnlyReferences) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	return r.store.Get(ctx, ref)
}

func (r readOnlyReferences) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	return r.store.References(ctx, id)
}

func (r readOnlyReferences) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return r.store.All(ctx)
}

func (readOnlyReferences) Delete(context.Context, reference.Named, digest.Digest) error {
	return errReadOnly
}

// readOnlyRemover shows to a view that containers could be removed elsewhere.
type readOnlyRemover struct{}

func (readOnlyRemover) RemoveContainer(context.Context, Container) error { return errReadOnly }

// readOnlyLeases shows a lease store to a view.
type readOnlyLeases struct{ store LeaseStore }

func (r readOnlyLeases) Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	return r.store.Leases(ctx, image)
}

func (readOnlyLeases) Add(context.Context, digest.Digest, conflict.Lease) error { return errReadOnly }

func (readOnlyLeases) Remove(context.Context, digest.Digest, string) error { return errReadOnly }

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

// readOnlyReferrers is readOnlyImages for a store that knows of referrers.
type readOnlyReferrers struct {
	readOnlyImages
	referrers ReferrerStore
}

func (r readOnlyReferrers) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return r.referrers.Referrers(ctx, id)
}

func (r readOnlyReferrers) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return r.referrers.Subjects(ctx, id)
}

// readOnlyPlatforms is readOnlyImages for a store that keeps indexes.
type readOnlyPlatforms struct {
	ImageStore
	indexes PlatformStore
}

func (r readOnlyPlatforms) Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error) {
	return r.indexes.Without(ctx, id, manifests)
}

func (readOnlyPlatforms) Replace(context.Context, digest.Digest, []digest.Digest) (imagestore.Image, imagestore.Removed, error) {
	return imagestore.Image{}, imagestore.Removed{}, errReadOnly
}

// readOnlyBoth is both.
type readOnlyBoth struct {
	readOnlyPlatforms
	ReferrerStore
}

// readOnly shows an image store, with the abilities that it has, to a view. One
// it does not need: without deletions there is no garbage to collect.
func readOnly(store ImageStore) ImageStore {
	shown := readOnlyImages{store}
	referrers, knows := store.(ReferrerStore)
	indexes, keeps := store.(PlatformStore)
	switch {
	case knows && keeps:
		return readOnlyBoth{readOnlyPlatforms{shown, indexes}, readOnlyReferrers{shown, referrers}}
	case knows:
		return readOnlyReferrers{shown, referrers}
	case keeps:
		return readOnlyPlatforms{shown, indexes}
	default:
		return shown
	}
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

// readOnlyNames is readOnlyReferences for a store that completes names.
type readOnlyNames struct {
	readOnlyReferences
	ShortNamer
}

// readOnlyDigests is readOnlyReferences for a store that knows digests.
type readOnlyDigests struct {
	readOnlyReferences
	DigestNamer
}

// readOnlyAll is both.
type readOnlyAll struct {
	readOnlyNames
	DigestNamer
}

// readOnlyRefs shows a reference store, with the abilities that it has, to a view.
func readOnlyRefs(store ReferenceStore) ReferenceStore {
	shown := readOnlyReferences{store}
	names, completes := store.(ShortNamer)
	digests, knows := store.(DigestNamer)
	switch {
	case completes && knows:
		return readOnlyAll{readOnlyNames{shown, names}, digests}
	case completes:
		return readOnlyNames{shown, names}
	case knows:
		return readOnlyDigests{shown, digests}
	default:
		return shown
	}
}

func (readOnlyReferences) Delete(context.Context, reference.Named, digest.Digest) error {
	return errReadOnly
}

// readOnlyRemover shows containers to a view that could be removed elsewhere.
type readOnlyRemover struct{ ContainerLister }

func (readOnlyRemover) RemoveContainer(context.Context, Container) error { return errReadOnly }

// readOnlyContainers shows a lister, with the ability that it has, to a view.
func readOnlyContainers(store ContainerLister) ContainerLister {
	if _, ok := store.(ContainerRemover); ok {
		return readOnlyRemover{store}
	}
	return store
}

// readOnlyLeases shows a lease store to a view.
type readOnlyLeases struct{ store LeaseStore }

func (r readOnlyLeases) Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error) {
	return r.store.Leases(ctx, image)
}

func (readOnlyLeases) Add(context.Context, digest.Digest, conflict.Lease) error { return errReadOnly }

func (readOnlyLeases) Remove(context.Context, digest.Digest, string) error { return errReadOnly }

package jettison

import (
	"context"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// abilities are what the stores of a transaction can do beyond their contracts:
// the interfaces of this file, each nil where they cannot. They are looked for
// where a transaction begins to plan and where it begins to carry out, never at a
// step. A backend that wraps the stores of another one hands on those that it does
// not mean to take away.
type abilities struct {
	referrers ReferrerStore    // what is about what (rules S1 to S5)
	indexes   PlatformStore    // platforms are taken out of indexes (M1 to M3)
	named     NamedDeleter     // references and their image go in one change
	collector Collector        // deletions make garbage (D12)
	short     ShortNamer       // names are completed in another way (R9)
	digests   DigestNamer      // digests are known without references (R10)
	remover   ContainerRemover // containers can be removed (D17)
}

func abilitiesOf(stores Stores) abilities {
	var a abilities
	a.referrers, _ = stores.Images.(ReferrerStore)
	a.indexes, _ = stores.Images.(PlatformStore)
	a.named, _ = stores.Images.(NamedDeleter)
	a.collector, _ = stores.Images.(Collector)
	a.short, _ = stores.References.(ShortNamer)
	a.digests, _ = stores.References.(DigestNamer)
	a.remover, _ = stores.Containers.(ContainerRemover)
	return a
}

// A ReferrerStore is an [ImageStore] that knows which images are about which:
// signatures, SBOMs and attestations (rules S1 to S5). A service looks for it
// anew in each transaction; without it no image is about another.
type ReferrerStore interface {
	// Referrers returns the IDs of the images that are about the image, or about
	// a manifest or an index that it holds: by their subject, or by a tag of the
	// referrers tag schema in any repository (see [refstore.SubjectOf]). Sorted;
	// none when there are none or no such image. No image is about itself.
	Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error)

	// Subjects returns the IDs of the images in the store that the image is
	// about, sorted: the other direction of Referrers. None means that it is
	// about nothing or, if its record or a tag names a subject, that this is
	// missing; or that there is no such image.
	Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error)
}

// A PlatformStore is an [ImageStore] that keeps indexes and can take single
// platforms out of them (rules M1 to M3). A service looks for it anew in each
// transaction; without it no platform can be removed.
type PlatformStore interface {
	// Without returns the image that removing these of its manifests would make:
	// the index without them. Nothing changes. The error is of class
	// InvalidArgument when the image is no index, or would be left without
	// manifests, and of class NotFound when there is no such image or manifest.
	Without(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, error)

	// Replace puts that image in the place of the index: what names the index,
	// its parent and its children are the new image's from then on. Where the
	// store has an image of the new ID already, that one stays as it is, but for
	// the references and children that it gets. It asks nothing about uses. It
	// returns the new image and what went; the errors are those of Without.
	Replace(ctx context.Context, id digest.Digest, manifests []digest.Digest) (imagestore.Image, imagestore.Removed, error)
}

// A NamedDeleter is an [ImageStore] in which an image is what its names are, so
// that the last of them and the image are one record and go in one change. A
// service looks for it anew in each transaction, and calls it where a plan removes
// references to an image and the image right after them.
type NamedDeleter interface {
	// DeleteNamed removes these references to the image, in this order, as
	// [ReferenceStore.Delete] does, and then the image, as [ImageStore.Delete] does.
	// It returns how many of the references it has removed; after an error those
	// are gone, and the image is there. The errors are those of these two methods.
	DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error)
}

// A Collector is an [ImageStore] whose deletions only take away names: what
// nothing needs any more goes when garbage is collected (rule D12). A service
// looks for it anew in each update. It calls Collect once, after the last change
// of an update that has deleted or replaced an image, before it tells what has
// gone; over a [Partial] backend also when a change has failed.
type Collector interface {
	// Collect waits until the garbage that this update has made is collected, and
	// returns the chain IDs of layers and the digests of content that the update's
	// deletions reported as removed, and that are there all the same, because
	// something else holds them; none when all of it has gone. An image that the
	// update has deleted, and that another program has named again meanwhile, is in
	// the stores from then on: the service looks for it, and does not say that it was
	// deleted. When Collect fails, it is not known what has gone.
	Collect(ctx context.Context) ([]digest.Digest, error)
}

// A ShortNamer is a [ReferenceStore] that completes names in a way of its own
// (rule R9): Podman keeps as localhost/app:latest what its user types as app. A
// service looks for it anew in each transaction; without it names are completed by
// rule R1 alone.
type ShortNamer interface {
	// Candidates returns the full references that a name without a domain may mean
	// in this store, the likeliest first; none when the store knows of nothing
	// special. The name has a tag or a digest, never both: "app:latest",
	// "team/app@sha256:…". They need not be in the store. That they are right is
	// for the store to say: whoever deletes "app" deletes the first of them that
	// is there.
	Candidates(ctx context.Context, short string) ([]reference.Named, error)
}

// A DigestNamer is a [ReferenceStore] that keeps names without the digest that each
// was pulled by, for the digest is known from the image (rule R10): containerd has
// of what "docker pull app" brings the name app:latest alone. A service looks for
// it anew in each transaction; without it only a reference says by which digest an
// image is known.
type DigestNamer interface {
	// ByDigest returns the ID of the image that has this digest in every
	// repository that names it. The error is of class NotFound when there is none.
	ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error)
}

// A ContainerRemover is a [ContainerLister] that can remove the containers that
// it lists (rule D17). A service looks for it anew in each transaction; without it
// RemoveContainers is refused.
type ContainerRemover interface {
	// RemoveContainer removes the container, whoever owns it: a running one is
	// stopped, what it mounts is unmounted, then its record and its writable layer
	// go. The error is of class NotFound when there is no such container, so that
	// of two removals only one succeeds, and of class Conflict when it cannot be
	// removed; then its image is still in use. What is not NotFound or
	// InvalidArgument is tried once more.
	RemoveContainer(ctx context.Context, container Container) error
}

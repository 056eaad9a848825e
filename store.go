package jettison

import (
	"context"
	"iter"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/refstore"
)

// Container is the record of a container as far as deletion cares.
type Container = conflict.Container

// An ImageStore keeps the records of images, their parents and their layers.
//
// Every method of this and of the other stores obeys its context before it has
// changed anything, returns errors of one class (see the package
// documentation), and returns slices that belong to the caller. Storetest
// checks all that is promised here.
type ImageStore interface {
	// Get returns the record of the image with this ID. The error is of class
	// NotFound when there is none, and an [*imagestore.UnreadableError] when
	// there is one that cannot be understood.
	Get(ctx context.Context, id digest.Digest) (imagestore.Image, error)

	// Search returns the IDs that begin with prefix, sorted. A prefix is
	// "algorithm:" and hex digits, or hex digits alone, which are looked for
	// under every algorithm. No match is no error. Unreadable records are
	// found too: their ID is readable.
	Search(ctx context.Context, prefix string) ([]digest.Digest, error)

	// Children returns the IDs of the images whose parent is id, sorted; none
	// when there are none or no such image.
	Children(ctx context.Context, id digest.Digest) ([]digest.Digest, error)

	// Layer returns the record of the layer with this chain ID, with the
	// number of its holders. Errors are those of Get.
	Layer(ctx context.Context, chainID digest.Digest) (imagestore.Layer, error)

	// Delete removes the record of the image, of each layer that nothing else
	// holds, and the links from its children, and returns what went (rule
	// D12). It asks nothing about uses or references. The error is of class
	// NotFound when there is no such image, so that of two deletions only one
	// succeeds. An unreadable record is removed all the same; what it held
	// cannot be known and stays, unless the store knows it from elsewhere.
	Delete(ctx context.Context, id digest.Digest) (imagestore.Removed, error)

	// All yields every image, sorted by ID. An unreadable record is yielded as
	// its [*imagestore.UnreadableError], and the walk goes on; any other error
	// ends it.
	All(ctx context.Context) iter.Seq2[imagestore.Image, error]
}

// A ReferenceStore keeps which reference names which image. References are
// normalized: with domain and path, and with a tag or a digest, never both.
type ReferenceStore interface {
	// Get returns the ID of the image that ref names, which need not be in the
	// image store. The error is of class NotFound when there is no such
	// reference.
	Get(ctx context.Context, ref reference.Named) (digest.Digest, error)

	// References returns the references to the image, sorted by their full
	// string; none when there are none.
	References(ctx context.Context, id digest.Digest) ([]reference.Named, error)

	// Delete removes ref if it still names id; otherwise the error is of class
	// NotFound and nothing changes. Of two removals of one reference only one
	// succeeds (rule D15).
	Delete(ctx context.Context, ref reference.Named, id digest.Digest) error

	// All yields every reference, sorted by its full string. It ends after the
	// first error.
	All(ctx context.Context) iter.Seq2[refstore.Association, error]
}

// A ContainerLister knows the containers that keep images busy.
type ContainerLister interface {
	// Containers returns the containers that were created from the image and
	// those that mount it (rule D13), each once, in any order.
	Containers(ctx context.Context, image digest.Digest) ([]Container, error)
}

// A LeaseStore keeps leases on images (rules L1 to L3).
type LeaseStore interface {
	// Leases returns the leases on the image, in any order, also those that
	// have expired: the clock of the service decides which.
	Leases(ctx context.Context, image digest.Digest) ([]conflict.Lease, error)

	// Add records a lease on an image. Its ID is unique.
	Add(ctx context.Context, image digest.Digest, lease conflict.Lease) error

	// Remove removes the lease with this ID from the image. One that is not
	// there is no error.
	Remove(ctx context.Context, image digest.Digest, leaseID string) error
}

// Stores is one state of a store, as a [Backend] shows it to a function. It
// must not be used after that function, nor by several goroutines.
type Stores struct {
	// Images and References are never nil.
	Images     ImageStore
	References ReferenceStore
	// Containers is nil where nothing knows of containers.
	Containers ContainerLister
	// Leases is nil where the store keeps none.
	Leases LeaseStore
}

// A Backend is where the stores are seen together. It is safe for concurrent
// use.
//
// A Backend whose Update cannot undo what it did says so by having the methods
// of [Partial] too.
type Backend interface {
	// View runs fn on one consistent state. Writing through it is an error. It
	// returns fn's error as it is.
	View(ctx context.Context, fn func(Stores) error) error

	// Update runs fn on one state and makes all its changes visible and
	// durable together: when Update returns nil they are. When fn fails, its
	// error is returned and nothing has changed. After a lost race fn may be
	// run again on the new state. The context no longer matters once fn has
	// returned.
	Update(ctx context.Context, fn func(Stores) error) error
}

// Partial is implemented by a [Backend] that shares no transaction among its
// stores: each change through Update stands by itself, and those made before
// an error remain (rule D14). Such a backend never runs a function twice.
type Partial interface {
	Backend
	// Partial does nothing; having it is the statement.
	Partial()
}

// A ReferrerStore is an [ImageStore] that knows which images are about which:
// signatures, SBOMs and attestations (rules S1 to S5). A service looks for it
// once in each transaction; without it no image is about another.
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
// platforms out of them (rules M1 to M3).
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

// A ShortNamer is a [ReferenceStore] that completes names in a way of its own
// (rule R9): Podman keeps as localhost/app:latest what its user types as app. A
// service looks for it once in each transaction; without it names are completed by
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
// it once in each transaction; without it only a reference says by which digest an
// image is known.
type DigestNamer interface {
	// ByDigest returns the ID of the image that has this digest in every
	// repository that names it. The error is of class NotFound when there is none.
	ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error)
}

// A ContainerRemover is a [ContainerLister] that can remove the containers that
// it lists (rule D17). A service looks for it once in each transaction.
type ContainerRemover interface {
	// RemoveContainer removes the container, whoever owns it: a running one is
	// stopped, what it mounts is unmounted, then its record and its writable layer
	// go. The error is of class NotFound when there is no such container, so that
	// of two removals only one succeeds, and of class Conflict when it cannot be
	// removed; then its image is still in use. What is not NotFound or
	// InvalidArgument is tried once more.
	RemoveContainer(ctx context.Context, container Container) error
}

// A NamedDeleter is an [ImageStore] in which an image is what its names are, so
// that the last of them and the image are one record and go in one change. A
// service looks for it once in each transaction, and calls it where a plan removes
// references to an image and the image right after them.
type NamedDeleter interface {
	// DeleteNamed removes these references to the image, in this order, as
	// [ReferenceStore.Delete] does, and then the image, as [ImageStore.Delete] does.
	// It returns how many of the references it has removed; after an error those
	// are gone, and the image is there.
	DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error)
}

// A Collector is an [ImageStore] whose deletions only take away names: what
// nothing needs any more goes when garbage is collected (rule D12). A service
// looks for it once in each update. It calls Collect once, after the last change
// of an update that has deleted or replaced an image, before it tells what has
// gone; over a [Partial] backend also when a change has failed.
type Collector interface {
	// Collect waits until the garbage that this update has made is collected, and
	// returns the chain IDs of layers and the digests of content that the update's
	// deletions reported as removed, and that are there all the same, because
	// something else holds them; none when all of it has gone. When it fails, it
	// is not known what has gone.
	Collect(ctx context.Context) ([]digest.Digest, error)
}

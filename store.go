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
	// Images and References always have an ImageStore and a ReferenceStore.
	Images     Images
	References References
	// Containers has no ContainerLister where nothing knows of containers.
	Containers Containers
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

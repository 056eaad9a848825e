package jettison

import (
	"context"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/imagestore"
)

// Images are the images of a [Backend]: the contract, and what only some stores
// can do beyond it, nil where they cannot. One value is often all of it:
//
//	jettison.Images{ImageStore: s, Referrers: s, Platforms: s}
//
// A service uses what is named here and looks at no other method of the store. So
// a backend that wraps the stores of another one takes away what it does not name:
//
//	stores.Images = jettison.Images{ImageStore: mine{stores.Images}, Referrers: stores.Images.Referrers}
//
// Platforms and Named delete images, and change references, past the methods of
// the contracts: who means to see each change wraps them too, or takes them away.
// Collector is needed wherever its store's deletions are handed on.
type Images struct {
	ImageStore

	Referrers ReferrerStore // what is about what (rules S1 to S5)
	Platforms PlatformStore // platforms are taken out of indexes (M1 to M3)
	Named     NamedDeleter  // an image goes with its last references in one change
	Collector Collector     // deletions make garbage (D12)
}

// References are the references of a [Backend], as [Images] are its images.
type References struct {
	ReferenceStore

	Short   ShortNamer  // names are completed in another way (R9)
	Digests DigestNamer // digests are known without references (R10)
}

// Containers are the containers of a [Backend], as [Images] are its images.
// Where nothing knows of containers there is no ContainerLister.
type Containers struct {
	ContainerLister

	Remover ContainerRemover // containers can be removed (D17)
}

// A ReferrerStore knows which images are about which: signatures, SBOMs and
// attestations (rules S1 to S5). Without it no image is about another.
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

// A PlatformStore keeps indexes and can take single platforms out of them (rules
// M1 to M3). Without it no platform can be removed. A View needs it to plan by;
// there Replace is an error.
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

// A NamedDeleter is of a store in which an image is what its names are, so that
// the last of them and the image are one record and go in one change. A service
// calls it where a plan removes references to an image and the image right after
// them; without it they go one after another. A View needs none.
type NamedDeleter interface {
	// DeleteNamed removes these references to the image, in this order, as
	// [ReferenceStore.Delete] does, and then the image, as [ImageStore.Delete] does.
	// It returns how many of the references it has removed; after an error those
	// are gone, and the image is there. The errors are those of these two methods.
	DeleteNamed(ctx context.Context, id digest.Digest, refs []reference.Named) (int, imagestore.Removed, error)
}

// A Collector is of a store whose deletions only take away names: what nothing
// needs any more goes when garbage is collected (rule D12). A service calls
// Collect once, after the last change of an update that has deleted or replaced
// an image, before it tells what has gone; over a [Partial] backend also when a
// change has failed. A View needs none.
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

// A ShortNamer completes names in a way of its own (rule R9): Podman keeps as
// localhost/app:latest what its user types as app. Without it names are completed
// by rule R1 alone.
type ShortNamer interface {
	// Candidates returns the full references that a name without a domain may mean
	// in this store, the likeliest first; none when the store knows of nothing
	// special. The name has a tag or a digest, never both: "app:latest",
	// "team/app@sha256:…". They need not be in the store. That they are right is
	// for the store to say: whoever deletes "app" deletes the first of them that
	// is there.
	Candidates(ctx context.Context, short string) ([]reference.Named, error)
}

// A DigestNamer is of a store that keeps names without the digest that each was
// pulled by, for the digest is known from the image (rule R10): containerd has of
// what "docker pull app" brings the name app:latest alone. Without it only a
// reference says by which digest an image is known.
type DigestNamer interface {
	// ByDigest returns the ID of the image that has this digest in every
	// repository that names it. The error is of class NotFound when there is none.
	ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error)
}

// A ContainerRemover can remove the containers that a [ContainerLister] lists
// (rule D17). Without it RemoveContainers is refused, so a View has it too, to plan
// by; there RemoveContainer is an error.
type ContainerRemover interface {
	// RemoveContainer removes the container, whoever owns it: a running one is
	// stopped, what it mounts is unmounted, then its record and its writable layer
	// go. The error is of class NotFound when there is no such container, so that
	// of two removals only one succeeds, and of class Conflict when it cannot be
	// removed; then its image is still in use. What is not NotFound or
	// InvalidArgument is tried once more.
	RemoveContainer(ctx context.Context, container Container) error
}

package storetest

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
)

// A Config says how to open a store and what it can do. What it cannot do is not
// tested; nothing is found out by trying, and a case fails where the stores have an
// ability that is not declared.
type Config struct {
	// Open opens a fresh store that holds the state and nothing else. It ends
	// the test if it cannot, and has the test close the store. It is never
	// asked for containers or leases that the store does not keep.
	Open func(t testing.TB, st State) jettison.Backend

	// Atomic says that an update that fails has changed nothing (rule D14). A
	// backend that is not atomic is a [jettison.Partial].
	Atomic bool
	// Content says that the store records what images and layers occupy.
	Content bool
	// Manifest returns the manifest that the store keeps for an image beside its
	// configuration, byte for byte. It is nil where the store keeps none, as
	// most do, or no content at all.
	Manifest func(img Image) []byte
	// Parents says that the store keeps from which image another was built. It
	// is asked for parents only then.
	Parents bool
	// Containers says that the store knows of containers.
	Containers bool
	// RemovesContainers says that it can remove them: it has a
	// [jettison.ContainerRemover].
	RemovesContainers bool
	// Mounts says that it also knows which images containers mount.
	Mounts bool
	// Leases says that the store keeps leases. Behind [jettison.Separate] every
	// store does.
	Leases bool
	// Dangling says that a reference may name an image that is not there.
	Dangling bool
	// Referrers says that the images have a [jettison.ReferrerStore]. The store is
	// asked for artifacts, and for images with a manifest, only then.
	Referrers bool
	// Platforms says that the images have a [jettison.PlatformStore]. The store is
	// asked for indexes only then.
	Platforms bool
	// NamedDeletes says that the images of an update have a
	// [jettison.NamedDeleter].
	NamedDeletes bool
	// Garbage looks at what deletions leave. It is nil where the images of an update
	// have no [jettison.Collector].
	Garbage *Garbage
	// ShortNames says that the references have a [jettison.ShortNamer].
	ShortNames bool
	// Digest returns the digest that the store knows an image by, in every repository
	// that names it. It is nil where the references have no [jettison.DigestNamer].
	Digest func(img Image) digest.Digest
	// Document returns the document of an index that is in the store, byte for
	// byte. If it is nil, a store is believed that the document of an index that
	// it made is what its ID says.
	Document func(t testing.TB, b jettison.Backend, index digest.Digest) []byte

	// Damage makes the record of an image unreadable. If it is nil, what is
	// promised about unreadable records is not tested.
	Damage func(t testing.TB, b jettison.Backend, id digest.Digest)
}

// Garbage is how a case looks past the contracts at what deletions leave in a store
// that collects garbage. Each function ends the test if it cannot do its work.
type Garbage struct {
	// Hold makes something that is no image, and that no contract shows, hold the
	// layer with this chain ID or this piece of content, as another program might:
	// no collection takes it from now on. What it is to hold is there. It is called
	// beside updates, and within one that has deleted the image.
	Hold func(t testing.TB, b jettison.Backend, dgst digest.Digest)
	// There reports whether the layer with this chain ID, or this piece of content,
	// is in the store, whether or not anything needs it.
	There func(t testing.TB, b jettison.Backend, dgst digest.Digest) bool
}

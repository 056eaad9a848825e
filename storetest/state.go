package storetest

import (
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/conflict"
)

// A State describes what a fresh store shall hold. The zero State is an empty
// store.
type State struct {
	// Images are in an order in which they can be created: a parent comes
	// before its children.
	Images []Image
	// References may name images that are not in the state (rule R5).
	References []Reference
	// Containers use images of the state. Each has an ID.
	Containers []jettison.Container
	// Leases are on images of the state.
	Leases []Lease
}

// A Reference is a name and the ID of the image it names.
type Reference struct {
	// Name is a reference with a tag or with a digest, in familiar form:
	// "app:1.0" means docker.io/library/app:1.0.
	Name string
	// Image is the ID of the image, which need not exist.
	Image digest.Digest
}

// A Lease is a lease on an image.
type Lease struct {
	// Image is the ID of the image.
	Image digest.Digest
	// Lease is the record; it has an ID.
	Lease conflict.Lease
}

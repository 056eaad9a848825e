package refstore

import (
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// An Association is a reference and the ID of the image that it names.
type Association struct {
	// Ref is a normalized name with a tag or with a digest, never with both.
	Ref reference.Named
	// ID is the ID of the image, which may be missing from the image store.
	ID digest.Digest
}

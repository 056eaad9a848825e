package jettison

import (
	"context"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison/conflict"
	"github.com/jettison-oci/jettison/imagestore"
	"github.com/jettison-oci/jettison/internal/class"
)

// errReadOnly is the error of a change attempted through a view.
var errReadOnly = class.Errorf(class.Internal, "a view cannot change the store")

// readOnlyImages shows an image store to a view.
type readOnlyImages struct{ ImageStore }

func (readOnlyImages) Delete(context.Context, digest.Digest) (imagestore.Removed, error) {
	return imagestore.Removed{}, errReadOnly
}

// readOnlyReferences shows a reference store to a view.
type readOnlyReferences struct{ ReferenceStore }

func (readOnlyReferences) Delete(context.Context, reference.Named, digest.Digest) error {
	return errReadOnly
}

// readOnlyLeases shows a lease store to a view.
type readOnlyLeases struct{ LeaseStore }

func (readOnlyLeases) Add(context.Context, digest.Digest, conflict.Lease) error { return errReadOnly }

func (readOnlyLeases) Remove(context.Context, digest.Digest, string) error { return errReadOnly }

package ocilayout

import (
	"context"
	"encoding/json"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// A Tx is an Update with what is done to a layout beside deleting. It must not
// be used after the function that it was given to, nor by several goroutines.
type Tx struct{ tx *transaction }

// Edit is Update with a [Tx]. The function may run again when another program
// has changed index.json.
func (l *Layout) Edit(ctx context.Context, fn func(*Tx) error) error {
	return l.update(ctx, func(tx *transaction) error { return fn(&Tx{tx: tx}) })
}

// Stores shows the transaction as a [jettison.Backend] does.
func (tx *Tx) Stores() jettison.Stores { return tx.tx.stores(writing) }

func (tx *Tx) references() references { return references{view{tx.tx, writing}} }

// Add lists a manifest or an index in index.json, without a name, and returns
// the ID of its image. Its blobs must be in the layout. Adding what is listed
// is no error.
//
// The error is of class InvalidArgument when the descriptor is malformed or the
// blob cannot be understood.
func (tx *Tx) Add(ctx context.Context, desc ocispec.Descriptor) (digest.Digest, error) {
	if err := tx.tx.identify(ctx); err != nil {
		return "", err
	}
	if id, listed := tx.tx.owner[desc.Digest]; listed {
		return id, nil
	}
	raw, err := json.Marshal(desc)
	if err != nil {
		return "", class.Errorf(class.InvalidArgument, "descriptor of %s: %w", desc.Digest, err)
	}
	e, err := parseEntry(raw)
	if err != nil {
		return "", class.Errorf(class.InvalidArgument, "descriptor of %s: %w", desc.Digest, err)
	}
	t, err := tx.tx.grow(ctx, desc)
	if err != nil {
		return "", class.Errorf(class.InvalidArgument, "add %s: %s", desc.Digest, err)
	}
	tx.tx.list(e)
	return t.root.id(), nil
}

// list adds an entry. What was known of the images is found anew.
func (tx *transaction) list(e entry) {
	tx.names.add(e)
	tx.forget()
	tx.changed = true
}

// Name makes ref name the image: a name with a digest, or with a tag, which is
// "latest" if it has none. When it does already, nothing changes.
//
// The error is of class NotFound when there is no such image, and of class
// Conflict when ref names another one, and has a digest or opts.Force is not
// set.
func (tx *Tx) Name(ctx context.Context, id digest.Digest, ref reference.Named, opts refstore.AddOptions) error {
	ref, err := normal(ref)
	if err != nil {
		return class.Wrap(class.InvalidArgument, err)
	}
	img, err := images{view{tx.tx, writing}}.find(ctx, id)
	if err != nil {
		return err
	}
	old, err := tx.references().Get(ctx, ref)
	switch {
	case err == nil && old == id:
		return nil
	case err == nil && isDigest(ref):
		return class.Errorf(class.Conflict, "cannot overwrite digest %s", reference.FamiliarString(ref))
	case err == nil && !opts.Force:
		return class.Errorf(class.Conflict,
			"tag %s is already set to image %s, use the force option to replace it", reference.FamiliarString(ref), old)
	case err == nil:
		err = tx.references().Delete(ctx, ref, old)
	case class.Is(err, class.NotFound):
		err = nil
	}
	if err != nil {
		return err
	}
	tx.tx.changed = true
	tx.tx.about = nil // the name may say what the image is about
	return class.Wrap(class.Internal, tx.tx.names.tag(img.targets[0], annotate(ref)))
}

func isDigest(ref reference.Named) bool {
	_, ok := ref.(reference.Canonical)
	return ok
}

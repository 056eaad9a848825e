package podman

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// referenceStore is the [jettison.ReferenceStore] of a state: the names of its
// images that are references.
type referenceStore struct{ *state }

var _ jettison.ReferenceStore = referenceStore{}

// Get returns the ID of the image that ref names.
func (s referenceStore) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return "", err
	}
	img, ok := s.byName[ref.String()]
	if !ok {
		return "", class.Errorf(class.NotFound, "reference %s does not exist", ref)
	}
	return img.id, nil
}

// References returns the references to the image.
func (s referenceStore) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, ok := s.byID[id]
	if !ok {
		return nil, nil
	}
	var found []reference.Named
	for _, name := range slices.Sorted(slices.Values(img.Names)) {
		if s.byName[name] != img {
			continue // it is no reference, or names another
		}
		ref, err := parseReference(name)
		if err != nil {
			return nil, class.Wrap(class.Internal, err)
		}
		found = append(found, ref)
	}
	return found, nil
}

var _ jettison.DigestNamer = referenceStore{}

// ByDigest returns the ID of the image with this manifest. Podman keeps of what was
// pulled by a tag no name with a digest. Of several the first in the order of the
// store is it.
func (s referenceStore) ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return "", err
	}
	for _, img := range s.images {
		if slices.Contains(img.Digests, dgst) {
			return img.id, nil
		}
	}
	return "", class.Errorf(class.NotFound, "no image has the digest %s", dgst)
}

// Delete removes ref if it still names id. The error is of class Conflict when the
// image lies in a store that cannot be changed.
func (s referenceStore) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	img, err := s.named(ref, id)
	if err != nil {
		return err
	}
	if img.ReadOnly {
		return class.Errorf(class.Conflict, "image %s lies in a store that cannot be changed", id)
	}
	now, err := s.owner.store.Image(img.ID)
	if err != nil {
		return storageError(err)
	}
	name := ref.String()
	if !slices.Contains(now.Names, name) {
		return class.Errorf(class.NotFound, "reference %s to image %s does not exist any more", ref, id)
	}
	if err := s.owner.store.RemoveNames(img.ID, []string{name}); err != nil {
		return storageError(err)
	}
	delete(s.byName, name)
	img.Names = slices.DeleteFunc(img.Names, func(other string) bool { return other == name })
	return nil
}

// named returns the image with this ID, if ref names it.
func (st *state) named(ref reference.Named, id digest.Digest) (*image, error) {
	img, ok := st.byName[ref.String()]
	if !ok || img.id != id {
		return nil, class.Errorf(class.NotFound, "reference %s to image %s does not exist", ref, id)
	}
	return img, nil
}

// All yields every reference, sorted by its full string.
func (s referenceStore) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return func(yield func(refstore.Association, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(s.byName)) {
			err := s.read(ctx)
			var ref reference.Named
			if err == nil {
				ref, err = parseReference(name)
			}
			if err != nil {
				yield(refstore.Association{}, class.Wrap(class.Internal, err))
				return
			}
			if !yield(refstore.Association{Ref: ref, ID: s.byName[name].id}, nil) {
				return
			}
		}
		if len(s.byName) == 0 && ctx.Err() != nil {
			yield(refstore.Association{}, s.read(ctx))
		}
	}
}

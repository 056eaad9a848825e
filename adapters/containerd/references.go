package containerd

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

// referenceStore shows the names that are references.
type referenceStore struct{ *state }

var (
	_ jettison.ReferenceStore = referenceStore{}
	_ jettison.DigestNamer    = referenceStore{}
)

// Get returns the target that ref names.
func (s referenceStore) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	img, ok := s.refs[full(ref)]
	if !ok {
		return "", class.Errorf(class.NotFound, "reference %s does not exist", full(ref))
	}
	return img.id(), nil
}

// ByDigest returns the image with this target: containerd knows the digest of
// each name, and needs no other to tell it.
func (s referenceStore) ByDigest(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	img, err := s.image(ctx, dgst)
	if err != nil {
		return "", err
	}
	return img.id(), nil
}

// References returns the references to the image, sorted.
func (s referenceStore) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	img, ok := s.images[id]
	if !ok {
		return nil, nil
	}
	var refs []reference.Named
	for _, n := range img.refs {
		refs = append(refs, n.ref)
	}
	return refs, nil
}

// All yields every reference, sorted.
func (s referenceStore) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return func(yield func(refstore.Association, error) bool) {
		for _, name := range slices.Sorted(maps.Keys(s.refs)) {
			if err := ctx.Err(); err != nil {
				yield(refstore.Association{}, err)
				return
			}
			img, ok := s.refs[name]
			if !ok {
				continue // it went while others were looked at
			}
			i := slices.IndexFunc(img.refs, func(n named) bool { return n.full == name })
			if !yield(refstore.Association{Ref: img.refs[i].ref, ID: img.id()}, nil) {
				return
			}
		}
	}
}

// Delete removes the record of a reference, if its target is still the image.
// When it was the last one, and no other record keeps the image, one without a
// reference is made first, as Docker does: an image stays until it is deleted.
func (s referenceStore) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	img, ok := s.refs[full(ref)]
	if !ok || img.id() != id {
		return class.Errorf(class.NotFound, "reference %s does not name image %s", full(ref), id)
	}
	names := img.namesOf(ref)
	if !img.lastsWithout(names) {
		if err := s.keepDangling(ctx, img); err != nil {
			return err
		}
	}
	return s.removeNames(ctx, img, names)
}

// full is a reference as it is looked for.
func full(ref reference.Named) string {
	if named, ok := parseName(ref.String()); ok {
		return named.String()
	}
	return ref.String()
}

package ocilayout

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/internal/class"
	"github.com/jettison-oci/jettison/refstore"
)

// references is the [jettison.ReferenceStore] of a transaction.
type references struct{ view }

var _ jettison.ReferenceStore = references{}

// Get returns the ID of the image that ref names.
func (s references) Get(ctx context.Context, ref reference.Named) (digest.Digest, error) {
	e, err := s.find(ctx, ref)
	if err != nil {
		return "", err
	}
	return s.tx.owner[e.desc.Digest], nil
}

// find returns the entry that ref names.
func (s references) find(ctx context.Context, ref reference.Named) (entry, error) {
	if err := s.read(ctx); err != nil {
		return entry{}, err
	}
	named, err := normal(ref)
	if err != nil {
		return entry{}, class.Wrap(class.InvalidArgument, err)
	}
	if err := s.tx.identify(ctx); err != nil {
		return entry{}, err
	}
	e, ok := s.tx.names.find(named.String())
	if !ok {
		return entry{}, class.Errorf(class.NotFound, "no reference %s in layout %s", named, s.tx.layout.dir)
	}
	return e, nil
}

// References returns the references to the image, sorted by their full string.
func (s references) References(ctx context.Context, id digest.Digest) ([]reference.Named, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, err := s.tx.image(ctx, id)
	if err != nil || img == nil {
		return nil, err
	}
	var refs []reference.Named
	for _, target := range img.targets {
		refs = append(refs, s.tx.names.references(target)...)
	}
	slices.SortFunc(refs, func(a, b reference.Named) int { return strings.Compare(a.String(), b.String()) })
	return refs, nil
}

// Delete removes ref if it still names id.
func (s references) Delete(ctx context.Context, ref reference.Named, id digest.Digest) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	e, err := s.find(ctx, ref)
	if err != nil {
		return err
	}
	if now := s.tx.owner[e.desc.Digest]; now != id {
		return class.Errorf(class.NotFound, "reference %s no longer names image %s", ref, id)
	}
	s.tx.changed = true
	return class.Wrap(class.Internal, s.tx.names.untag(e.ref.String()))
}

// All yields every reference, sorted by its full string.
func (s references) All(ctx context.Context) iter.Seq2[refstore.Association, error] {
	return func(yield func(refstore.Association, error) bool) {
		err := s.read(ctx)
		if err == nil {
			err = s.tx.identify(ctx)
		}
		if err != nil {
			yield(refstore.Association{}, err)
			return
		}
		for _, a := range s.associations() {
			if err := s.read(ctx); err != nil {
				yield(refstore.Association{}, err)
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (s references) associations() []refstore.Association {
	var all []refstore.Association
	for name, at := range s.tx.names.byRef {
		if len(at) > 0 {
			e, _ := s.tx.names.find(name)
			all = append(all, refstore.Association{Ref: e.ref, ID: s.tx.owner[e.desc.Digest]})
		}
	}
	slices.SortFunc(all, func(a, b refstore.Association) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
	return all
}

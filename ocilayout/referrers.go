package ocilayout

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/jettison-oci/jettison"
	"github.com/jettison-oci/jettison/refstore"
)

var _ jettison.ReferrerStore = images{}

// Referrers returns the IDs of the images that are about the image, sorted: by
// the subject in their manifest, or by a tag of the referrers tag schema.
func (s images) Referrers(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return s.related(ctx, id, func(img, other *image) bool { return s.tx.isAbout(other, img) })
}

// Subjects returns the IDs of the images that the image is about, sorted.
func (s images) Subjects(ctx context.Context, id digest.Digest) ([]digest.Digest, error) {
	return s.related(ctx, id, func(img, other *image) bool { return s.tx.isAbout(img, other) })
}

// related returns the IDs of the other images for which related holds.
func (s images) related(ctx context.Context, id digest.Digest, related func(img, other *image) bool) ([]digest.Digest, error) {
	if err := s.read(ctx); err != nil {
		return nil, err
	}
	img, err := s.tx.image(ctx, id)
	if err != nil || img == nil {
		return nil, err
	}
	var found []digest.Digest
	for _, other := range s.tx.ids() {
		if other != id && related(img, s.tx.images[other]) {
			found = append(found, other)
		}
	}
	return found, nil
}

// isAbout reports whether an image is about another.
func (g *graph) isAbout(img, subject *image) bool {
	return slices.ContainsFunc(g.subjectsOf(img), subject.has)
}

// subjectsOf are the digests that an image is about.
func (g *graph) subjectsOf(img *image) []digest.Digest {
	var found []digest.Digest
	for _, t := range img.trees {
		if t.root.subject != "" {
			found = append(found, t.root.subject)
		}
	}
	for _, target := range img.targets {
		for _, ref := range g.names.references(target) {
			if subject, ok := refstore.SubjectOf(ref); ok {
				found = append(found, subject)
			}
		}
	}
	return found
}

// has reports whether the image is of this digest, or lists it.
func (img *image) has(blob digest.Digest) bool {
	return slices.ContainsFunc(img.trees, func(t *tree) bool { return t.has(blob) })
}
